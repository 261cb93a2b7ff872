"""The origin, the gateway and its peers: how each is found, configured, started, pinned and stopped."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import keys

HERE = Path(__file__).resolve().parent.parent
PORT_NAMES = ["http", "tls", "h2c", "keyed", "refused", "cached", "keyed_cached", "admin"]
#: Where ports begin unless the options say otherwise; each system has a block of its own.
ORIGIN_PORT, FIRST_PORT, PORT_BLOCK = 19001, 18100, 20
SMALL, LARGE = 1024, 100 * 1024


class NotHere(Exception):
    """A system that cannot take part, and why."""


class Place:
    """The folders of one run, one on disk and one in memory, and where its origin is."""

    def __init__(self, folder, shm, origin_port=ORIGIN_PORT):
        self.folder, self.shm, self.origin_port = folder, shm, origin_port
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"

    def furnish(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True)
        (self.shm / "large").write_bytes(b"x" * LARGE)
        # Workers of nginx and Varnish are other users than root.
        for folder in (self.folder, self.shm):
            folder.chmod(0o755)


class System:
    """One program under test. `cannot` maps a scenario's letter to the reason why it has no native means for it."""

    #: Whether it has to prove that it does a scenario before it is measured.
    has_to_prove = True

    def __init__(self, name, program, cannot=None, own_ports=()):
        self.name, self.program = name, program
        self.cannot = cannot or {}
        self.own_ports = own_ports
        self.process = None
        self.key_count = keys.COUNT
        self.ports = {}
        self.log = None

    def command(self, folder):
        raise NotImplementedError

    def configure(self, folder, place):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def port(self, wanted):
        """The port for a kind of traffic: most systems tell kinds apart by path on one port."""
        return self.ports[wanted if wanted in ("http", "tls", "h2c", *self.own_ports) else "http"]

    def words(self, folder, place):
        words = {name.upper(): str(port) for name, port in self.ports.items()}
        return words | {
            "DIR": str(folder), "SHM": str(place.shm), "CERT": str(place.cert), "KEY": str(place.key),
            "ORIGIN_PORT": str(place.origin_port),
        }

    def start(self, place, first_port, *cores):
        self.ports = {name: first_port + i for i, name in enumerate(PORT_NAMES)}
        self.place, self.first_port, self.cores = place, first_port, cores
        folder = place.folder / re.sub(r"\W", "-", self.name)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self.configure(folder, place)
        self.log = folder / "stderr"
        self.process = spawn(self.command(folder), cores, self.log)
        self.wait()

    def wait(self):
        wait_for(lambda: is_open(self.port("http")), self.process, self.name, self.log)

    def restart(self, key_count=keys.COUNT):
        self.stop()
        self.key_count = key_count
        self.start(self.place, self.first_port, *self.cores)

    def stop(self):
        if self.process:
            end(self.process)
            self.process = None


def fill(template, words, target):
    """Writes a template with its @WORDS@ filled in; one that is unknown is a mistake."""
    text = (HERE / "peers" / template).read_text()
    target.write_text(re.sub(r"@([A-Z0-9_]+)@", lambda match: words[match[1]], text))


def spawn(command, cores, log):
    with open(log, "wb") as sink:
        # A session of its own, so that all its descendants can be ended with it.
        return subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, set(cores)))


def wait_for(is_up, process, name, log, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if is_up() and process.poll() is None:
            return
        time.sleep(0.05)
    end(process)
    raise NotHere(f"{name} did not start:\n{log.read_text(errors='replace')[-600:].strip()}")


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_answering(port, path):
    """Whether a port is not only bound, but answers."""
    asker = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        asker.request("GET", path)
        return asker.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asker.close()


def end(process):
    """Ends a process with its session: asks, waits for 5 seconds, insists."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(5)
            if number == signal.SIGTERM and group_is_empty(process.pid):
                return
        except subprocess.TimeoutExpired:
            pass


def group_is_empty(group):
    try:
        os.killpg(group, 0)
        return False
    except ProcessLookupError:
        return True


def output_of(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return done.stdout + done.stderr


def find(program):
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise NotHere(f"{program} is not installed")
    return found


class Origin(System):
    def __init__(self):
        super().__init__("origin", find("nginx"))

    def configure(self, folder, place):
        body = '{"data":"' + "x" * (SMALL - 11) + '"}'
        fill("origin.conf", self.words(folder, place) | {"BODY": body}, folder / "origin.conf")

    def command(self, folder):
        return [self.program, "-p", folder, "-c", folder / "origin.conf"]

    def port(self, wanted):
        return self.place.origin_port

    def version(self):
        return first_number(output_of(self.program, "-v"))

    def count(self):
        """Requests that it has got so far, with this question."""
        asker = http.client.HTTPConnection("127.0.0.1", self.place.origin_port, timeout=10)
        asker.request("GET", "/count")
        text = asker.getresponse().read().decode()
        asker.close()
        return int(text.splitlines()[2].split()[2])


class Tollgate(System):
    def configure(self, folder, place):
        shutil.rmtree(folder / "state", ignore_errors=True)
        fill("tollgate.toml", self.words(folder, place) | {"KEYS": keys.toml(self.key_count)}, folder / "tollgate.toml")

    def command(self, folder):
        return [self.program, "run", folder / "tollgate.toml"]

    def version(self):
        return first_number(output_of(self.program, "--version"))


class Nginx(System):
    def configure(self, folder, place):
        (folder / "keys.map").write_text(keys.spaced_map(self.key_count, end=";"))
        fill("nginx.conf", self.words(folder, place), folder / "nginx.conf")

    def command(self, folder):
        return [self.program, "-p", folder, "-c", folder / "nginx.conf"]

    def version(self):
        return first_number(output_of(self.program, "-v"))


class Haproxy(System):
    def configure(self, folder, place):
        (folder / "keys.map").write_text(keys.spaced_map(self.key_count))
        (folder / "both.pem").write_text(place.cert.read_text() + place.key.read_text())
        fill("haproxy.cfg", self.words(folder, place), folder / "haproxy.cfg")

    def command(self, folder):
        return [self.program, "-db", "-q", "-f", folder / "haproxy.cfg"]

    def version(self):
        return first_number(output_of(self.program, "-v"))


class Varnish(System):
    def configure(self, folder, place):
        fill("varnish.vcl", self.words(folder, place), folder / "varnish.vcl")

    def command(self, folder):
        listeners = [word for name in ("http", "h2c") for word in ("-a", f"127.0.0.1:{self.ports[name]}")]
        parameters = ["feature=+http2", "thread_pools=1", "timeout_idle=600", "backend_idle_timeout=600",
                      "h2_max_concurrent_streams=1000", "listen_depth=4096"]
        flags = [word for parameter in parameters for word in ("-p", parameter)]
        rest = ["-f", folder / "varnish.vcl", "-n", folder / "work", "-s", "malloc,64m"]
        return [self.program, "-F", *listeners, *rest, *flags]

    def version(self):
        return first_number(output_of(self.program, "-V"))


class Envoy(System):
    def configure(self, folder, place):
        words = self.words(folder, place) | {"CREDENTIALS": keys.credentials(self.key_count, indent=24)}
        fill("envoy.yaml", words, folder / "envoy.yaml")

    def command(self, folder):
        return [self.program, "-c", folder / "envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "error"]

    def version(self):
        return re.search(r"/(\d+\.\d+\.\d+)[-/]", output_of(self.program, "--version"))[1]


class Floor(System):
    """What a program pays that makes the kernel's calls and does none of the work: peers/floor.c."""

    has_to_prove = False
    #: Bytes of Tollgate's answers: a hit of (c), a refusal of (e).
    HELD, REFUSED = 1294, 485

    def configure(self, folder, place):
        subprocess.run([self.program, "-O2", "-o", folder / "floor", HERE / "peers/floor.c"], check=True)

    def command(self, folder):
        return [folder / "floor", self.ports["http"], self.place.origin_port, self.HELD, self.REFUSED]

    def version(self):
        return "compiled by cc " + first_number(output_of(self.program, "--version"))


def first_number(text):
    match = re.search(r"\d+\.\d+(\.\d+)?", text)
    return match[0] if match else "?"


NO_KEYS = "no table of keys"
NOT_THE_FLOORS = "not among the floor's calls"


def make(word, tollgate):
    """The system that a word of `--systems` names; `NAME=PATH` is another build of the gateway."""
    if "=" in word:
        name, path = word.split("=", 1)
        return Tollgate(name, Path(path))
    match word:
        case "tollgate":
            return Tollgate("tollgate", tollgate)
        case "nginx":
            return Nginx("nginx", find("nginx"))
        case "haproxy":
            return Haproxy("haproxy", find("haproxy"))
        case "varnish":
            return Varnish("varnish", find("varnishd"), {"b": NO_KEYS, "d": NO_KEYS, "e": NO_KEYS, "h": "no TLS"})
        case "envoy":
            return Envoy("envoy", find_envoy(), own_ports=("keyed", "refused", "cached", "keyed_cached"))
        case "floor":
            return Floor("floor", find("cc"), {"g": NOT_THE_FLOORS, "h": NOT_THE_FLOORS, "i": NOT_THE_FLOORS})
    raise SystemExit(f"{word} is none of tollgate, nginx, haproxy, varnish, envoy, floor, NAME=PATH")


def find_envoy():
    shipped = sorted((HERE / ".venv").glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return shipped[0] if shipped else find("envoy")
