"""The gateway of the soak: a configuration that uses everything, in two versions that take turns."""

import http.client
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

#: What `h2load` sends with each request.
KEY = "soak-honest-key-0123456789"
#: Its bucket is empty after five requests.
THROTTLED_KEY = "soak-throttled-key-0123456789"
#: Its quota is over after ten.
SPENT_KEY = "soak-spent-key-0123456789"
TOKEN = "soak-admin-token"

CONFIGURATION = """
[server]
listen = [
    {{ address = "127.0.0.1:{http}", h2 = true }},
    {{ address = "127.0.0.1:{tls}", tls = {{ cert = "{folder}/cert.pem", key = "{folder}/key.pem" }} }},
    {{ address = "127.0.0.1:{proxied}", proxy_protocol = true }},
]
threads = 2
drain_delay = "1s"
drain = "10s"
trusted_proxies = ["127.0.0.1"]
limits = {{ head_timeout = "5s", body_timeout = "5s", idle_timeout = "20s", requests_per_connection_max = 5000 }}

[admin]
listen = "127.0.0.1:{admin}"
token = "{token}"

[state]
dir = "{folder}/state"

[telemetry]
access_log = {{ path = "{folder}/access.log", format = "json" }}
key_labels = 2

[domains."*"]
mappings = {{ "/" = "soak/prod" }}

[apis.soak.stages.prod]
variables = {{ version = "{version}" }}
cache = {{ enabled = true, ttl = "60s", size = "16MiB" }}
throttle = {{ rate = 100000, burst = 50000 }}
canary = {{ percent = 10, variables = {{ version = "canary" }}, sticky = "ip" }}

[apis.soak]
routes = [
    {{ method = "GET", path = "/keyed/{{id}}", api_key_required = true, throttle = {{ rate = {rate}, burst = 50000 }}, cache = {{ enabled = false }}, integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{demo}/keyed/{{id}}", request_parameters = {{ "integration.request.header.X-Version" = "stageVariables.version", "integration.request.querystring.who" = "context.identity.sourceIp" }} }} }},
    {{ method = "GET", path = "/cached/{{id}}", cache = {{ ttl = "30s", key = ["path.id", "header.Accept"] }}, integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{demo}/bytes/4000" }} }},
    {{ method = "GET", path = "/honored/{{id}}", cache = {{ honor_origin = true }}, integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{moody}/honored/{{id}}" }} }},
    {{ method = "ANY", path = "/demo/{{path+}}", cache = {{ enabled = false }}, integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{demo}/{{path}}", targets = ["127.0.0.1:{demo}", "127.0.0.1:{nobody}"], health = {{ interval = "1s", unhealthy = 1 }} }} }},
    {{ method = "ANY", path = "/moody/{{path+}}", cache = {{ enabled = false }}, integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{moody}/{{path}}", timeout = "2s", ejection = {{ failures = 0 }} }} }},
    {{ method = "ANY", path = "/fixed", integration = {{ type = "MOCK", body = "fixed" }} }},
{more_routes}]

[usage_plans.honest]
stages = ["soak/prod"]
throttle = {{ rate = 100000, burst = 50000 }}
quota = {{ limit = 1000000000, period = "month" }}
may_invalidate_cache = true
[usage_plans.slow]
stages = ["soak/prod"]
throttle = {{ rate = 0.5, burst = 5 }}
[usage_plans.small]
stages = ["soak/prod"]
quota = {{ limit = 10, period = "month" }}

[api_keys.honest]
value = "{key}"
usage_plans = ["honest"]
[api_keys.throttled]
value = "{throttled_key}"
usage_plans = ["slow"]
[api_keys.spent]
value = "{spent_key}"
usage_plans = ["small"]
{more_keys}"""

PORTS = ("http", "tls", "proxied", "admin", "demo", "moody", "nobody")


class Gateway:
    """One process, its demo back end, and the folder that both work in."""

    def __init__(self, program, folder, first_port):
        self.program, self.folder = program, Path(folder)
        self.ports = {name: first_port + i for i, name in enumerate(PORTS)}
        self.file = self.folder / "tollgate.toml"

    def start(self):
        self.renew_certificate()
        self.write(0)
        self.demo = self.spawn("demo.log", "demo-backend", "--listen", f"127.0.0.1:{self.ports['demo']}")
        self.process = self.spawn("tollgate.log", "run", self.file)
        deadline = time.monotonic() + 30
        while "ready, serving" not in (self.folder / "tollgate.log").read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the gateway did not start:\n" + (self.folder / "tollgate.log").read_text())
            time.sleep(0.1)

    def spawn(self, log, *words):
        with open(self.folder / log, "wb") as sink:
            command = [str(self.program), *map(str, words)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

    def write(self, version, is_broken=False):
        """Each version has another rate, other variables, and some routes and keys that the other lacks."""
        is_odd = version % 2 == 1
        routes = "".join(
            f'    {{ method = "GET", path = "/extra{n}", integration = {{ type = "MOCK", body = "{version}" }} }},\n'
            for n in range(50 if is_odd else 0))
        keys = "".join(
            f'[api_keys.extra{n}]\nvalue = "soak-extra-key-{n:04}-0123456789"\nusage_plans = ["slow"]\n'
            for n in range(200 if is_odd else 100))
        text = CONFIGURATION.format(
            folder=self.folder, version=f"v{version % 2}", rate=90000 if is_odd else 80000, more_routes=routes,
            more_keys=keys, token=TOKEN, key=KEY, throttled_key=THROTTLED_KEY, spent_key=SPENT_KEY, **self.ports)
        aside = self.file.with_suffix(".new")
        aside.write_text(text + "nonsense = = 1\n" if is_broken else text)
        aside.replace(self.file)

    def renew_certificate(self):
        """A new key and certificate in the place of the last."""
        made = [self.folder / name for name in ("key.new", "cert.new")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", made[0], "-out", made[1]],
            check=True, capture_output=True)
        for file in made:
            file.replace(file.with_suffix(".pem"))

    def rotate_log(self):
        """The log would fill a disk: it is moved away, given up by the gateway, and removed."""
        old = self.folder / "access.old"
        (self.folder / "access.log").replace(old)
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda file=open(old, "rb"): file.read(1 << 20), b""))
        old.unlink()
        return lines

    def admin(self, method, path, body=None):
        """Status and text of an answer."""
        asker = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=10)
        try:
            fields = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
            asker.request(method, path, json.dumps(body) if body is not None else None, fields)
            answer = asker.getresponse()
            return answer.status, answer.read().decode()
        finally:
            asker.close()

    def metrics(self):
        """Family → sum over its series; `tollgate_requests_total` also by status."""
        sums = {}
        for line in self.admin("GET", "/metrics")[1].splitlines():
            if line.startswith("#"):
                continue
            name, value = line.rsplit(" ", 1)
            family = name.partition("{")[0]
            sums[family] = sums.get(family, 0) + float(value)
            if status := re.search(r'requests_total\{.*status="(\w+)"', name):
                sums[status[1]] = sums.get(status[1], 0) + float(value)
        return sums

    def stop(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.end()

    def end(self):
        for process in (self.process, self.demo):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
