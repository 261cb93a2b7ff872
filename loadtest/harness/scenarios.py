"""What is measured, and the proof that a system does it before it is measured."""

import http.client
import ssl
from dataclasses import dataclass

from . import keys
from .load import CONNECTIONS, H2_CONNECTIONS, h2load
from .openloop import Http1, Http2, hpack_block, open_loop
from .systems import LARGE, SMALL

POSTED = 16 * 1024
#: Each key of (e) gets a token a minute, so as many requests may pass in a window, whatever the load.
PASSED_ALLOWED = 100


@dataclass(frozen=True)
class Scenario:
    letter: str
    title: str
    path: str
    #: How many of the keys take turns; 0 is a request without one.
    keys: int = 0
    port: str = "http"
    status: int = 200
    length: int | None = SMALL
    method: str = "GET"
    body_bytes: int = 0
    #: Whether each request is passed on, or none.
    reaches_origin: bool = True
    #: Requests per second of the open loop.
    rate: int = 4000

    def values(self):
        return keys.all_keys()[: self.keys]

    def url(self, system):
        scheme = "https" if self.port == "tls" else "http"
        return f"{scheme}://127.0.0.1:{system.port(self.port)}{self.path}"

    def open_loop(self, system, seconds):
        """Latencies at the scenario's fixed rate."""
        port = system.port(self.port)
        if self.port == "h2c":
            blocks = [hpack_block(self.path)]
            return open_loop(lambda: Http2(port, None), H2_CONNECTIONS, blocks, self.rate, seconds).latency()
        tls = trusting() if self.port == "tls" else None
        return open_loop(lambda: Http1(port, tls), CONNECTIONS, self.rendered(), self.rate, seconds).latency()

    def rendered(self):
        """The requests as bytes of HTTP/1.1."""
        body = b"x" * self.body_bytes
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += f"Content-Length: {len(body)}\r\n"
        fields = [f"x-api-key: {key}\r\n" for key in self.values()] or [""]
        return [(head + field + "\r\n").encode() + body for field in fields]


SCENARIOS = [
    Scenario("a", "plain proxy, 1 KiB", "/plain"),
    Scenario("b", "key of 10,000, bucket, quota", "/keyed", keys=keys.COUNT, port="keyed"),
    Scenario("c", "cached hit, 1 KiB", "/cached", port="cached", reaches_origin=False),
    Scenario("d", "key, bucket, cached hit", "/keyed-cached", keys=keys.COUNT, port="keyed_cached",
             reaches_origin=False),
    # Few keys: a bucket that gets a token a minute lets one request in a minute pass.
    Scenario("e", "429, connection kept", "/refused", keys=50, port="refused", status=429, length=None,
             reaches_origin=False),
    Scenario("f", "100 KiB proxied", "/large", length=LARGE, rate=1000),
    Scenario("g", "HTTP/2 cleartext, 1 KiB", "/plain", port="h2c"),
    Scenario("h", "TLS 1.3, 1 KiB", "/plain", port="tls"),
    Scenario("i", "10,000 idle connections", "/plain"),
    Scenario("j", "POST 16 KiB", "/post", method="POST", body_bytes=POSTED, rate=2000),
]


class Wrong(Exception):
    """A system does not answer as the scenario says."""


def trusting():
    """The harness's own certificate: nobody else's is asked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Asker:
    """One connection to a system, and whether it was kept."""

    def __init__(self, scenario, system):
        self.scenario = scenario
        port = system.port(scenario.port)
        if scenario.port == "tls":
            self.http = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting())
        else:
            self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(self, key=None):
        headers = {"x-api-key": key} if key else {}
        body = b"x" * self.scenario.body_bytes or None
        self.http.request(self.scenario.method, self.scenario.path, body, headers)
        answer = self.http.getresponse()
        return answer, answer.read()

    def is_kept(self):
        return self.http.sock is not None


def demand(holds, what):
    if not holds:
        raise Wrong(what)


def check(scenario, system, origin):
    """Raises `Wrong` unless the system answers the scenario as it should."""
    if scenario.port == "h2c":
        return check_h2(scenario, system, origin)
    asker = Asker(scenario, system)
    if scenario.keys:
        check_refusal_of_strangers(asker, origin)
    values = scenario.values()[:: max(1, scenario.keys // 10)] or [None] * 10
    for key in values:
        asker.ask(key)  # Fills the cache, empties the bucket.
    before = origin.count()
    for key in values:
        check_answer(scenario, *asker.ask(key))
        demand(asker.is_kept(), "the connection was closed after an answer")
    reached = origin.count() - before - 1
    wanted = len(values) if scenario.reaches_origin else 0
    demand(reached == wanted, f"{reached} of {len(values)} requests reached the origin instead of {wanted}")
    if scenario.port == "tls":
        demand(asker.http.sock.version() == "TLSv1.3", f"TLS is {asker.http.sock.version()}")
    asker.http.close()


def check_refusal_of_strangers(asker, origin):
    before = origin.count()
    for key in (None, "load-test-key-of-nobody-at-all"):
        answer, _ = asker.ask(key)
        demand(answer.status in (401, 403), f"{'a wrong' if key else 'no'} key is answered with {answer.status}")
    demand(origin.count() - before == 1, "a request without a valid key reached the origin")


def check_answer(scenario, answer, body):
    demand(answer.status == scenario.status, f"status {answer.status} instead of {scenario.status}")
    if scenario.length is not None:
        demand(len(body) == scenario.length, f"a body of {len(body)} bytes instead of {scenario.length}")
    if scenario.body_bytes:
        demand(answer.headers["X-Got"] == str(scenario.body_bytes), f"the origin got {answer.headers['X-Got']} bytes")


def check_h2(scenario, system, origin):
    before = origin.count()
    load = h2load(scenario.url(system), requests=160)
    demand((load.requests, load.failed, load.refused) == (160, 0, 0), f"HTTP/2: {load}")
    reached = origin.count() - before - 1
    demand(reached == 160, f"{reached} of 160 HTTP/2 requests reached the origin")


def check_load(scenario, load):
    """The same of a whole round, as far as the load generator tells."""
    demand(load.requests > 0, "no answers under load")
    demand(load.failed <= load.requests // 10_000, f"{load.failed} requests without an answer under load")
    unlike = load.requests - load.refused if scenario.status == 429 else load.refused
    demand(unlike <= max(PASSED_ALLOWED, load.requests // 200), f"{unlike} of {load.requests} answers have another status")
