"""The gateway alone, with as many routes and keys as a question needs. Its files are written line by line: with a
million keys they are 90 MB.
"""

import shutil
import time
from dataclasses import dataclass

from .systems import Tollgate, is_answering, wait_for

#: A file of a configuration may have 64 MiB.
KEYS_A_FILE = 100_000
#: How long a start may take.
PATIENCE_SECONDS = 300

MAIN = """
include = ["{parts}/*.toml"]

[server]
listen = ["127.0.0.1:{http}"]
threads = {threads}
limits = {{ idle_timeout = "600s" }}

[admin]
listen = "127.0.0.1:{admin}"
token = "{token}"

[state]
dir = "{folder}/state"

[telemetry]
access_log = {{ path = "off" }}

[domains."*"]
mappings = {{ "/" = "load/prod" }}

[usage_plans.load]
stages = ["load/prod"]
throttle = {{ rate = 10000000, burst = 10000000 }}
quota = {{ limit = 1000000000000, period = "month" }}
"""

API = """
[apis.load.stages.prod]
cache = { enabled = true, ttl = "3600s", size = "64MiB" }

[[apis.load.routes]]
method = "GET"
path = "/cached/{id}"
integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:@ORIGIN_PORT@/cached" }
"""

ROUTE = """
[[apis.load.routes]]
method = "GET"
path = "{path}/{{id}}"
api_key_required = true
cache = {{ enabled = false }}
integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{origin}/keyed" }}
"""

KEY = '[api_keys.client{number}]\nvalue = "{value}"\nusage_plans = ["load"]\n'


@dataclass(frozen=True)
class Shape:
    """How much a configuration holds: routes and keys are numbered, and those of a part begin where it says."""

    routes: int
    keys: int
    first_route: int = 0
    first_key: int = 0


def route_path(number):
    """As deep for the first as for the ten-thousandth."""
    return f"/group-{number // 100:03}/item-{number % 100:02}"


def key_value(number):
    return f"load-test-key-{number:07d}-9f3b6c1d"


class Gateway(Tollgate):
    """One gateway of a shape."""

    def __init__(self, program, shape, threads=1, name="tollgate"):
        super().__init__(name, program)
        self.shape, self.threads = shape, threads
        self.token = "load-test-admin-token"
        #: Until the first answer, in seconds.
        self.start_seconds = None

    def configure(self, folder, place):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_parts(folder / "parts", self.shape, place)
        self.write_main(folder / "tollgate.toml", "parts")
        self.began = time.monotonic()

    def write_main(self, target, parts):
        """`parts` is the folder of routes and keys; another one makes another configuration."""
        target.write_text(MAIN.format(
            parts=parts, folder=target.parent, token=self.token, threads=self.threads, **self.ports))

    def start(self, place, first_port, *cores):
        super().start(place, first_port, *cores)
        self.start_seconds = time.monotonic() - self.began

    def wait(self):
        """The port is bound before the configuration is compiled, so an open port says little."""
        answers = lambda: is_answering(self.port("http"), "/cached/0")
        wait_for(answers, self.process, self.name, self.log, PATIENCE_SECONDS)

    @property
    def folder(self):
        return self.log.parent


def write_parts(folder, shape, place):
    """All that a shape says, in files that the main file includes."""
    folder.mkdir()
    write_routes(folder, shape, place)
    for first in range(shape.first_key, shape.first_key + shape.keys, KEYS_A_FILE):
        last = min(first + KEYS_A_FILE, shape.first_key + shape.keys)
        with open(folder / f"keys-{first:07}.toml", "w") as sink:
            sink.writelines(KEY.format(number=number, value=key_value(number)) for number in range(first, last))


def write_routes(folder, shape, place):
    """An API stands in one file."""
    with open(folder / "api.toml", "w") as sink:
        sink.write(API.replace("@ORIGIN_PORT@", str(place.origin_port)))
        sink.writelines(
            ROUTE.format(path=route_path(number), origin=place.origin_port)
            for number in range(shape.first_route, shape.first_route + shape.routes))
