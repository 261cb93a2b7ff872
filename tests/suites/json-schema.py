"""json-schema.py GATEWAY TESTS KNOWN: see json-schema.sh."""

import collections
import http.client
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

#: The suite's folder of a dialect, and the kind of document whose schemas are of it.
DIALECTS = {"draft4": "swagger", "draft2020-12": "openapi"}

CONFIGURATION = """
[server]
listen = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[state]
dir = "data"
[telemetry]
access_log = {{ path = "off" }}
[apis.suite]
definition = "suite.json"
to = "http://127.0.0.1:{port}"
validate_requests = "all"
[apis.suite.stages.prod]
[domains."*"]
mappings = {{ "/" = "suite/prod" }}
"""


class BackEnd(http.server.BaseHTTPRequestHandler):
    """Answers whatever reaches it with 200."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def located(schema, place):
    """A schema whose references are to itself, as a document has to write them that it is a part of."""
    if isinstance(schema, list):
        return [located(one, place) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: located_value(name, value, place) for name, value in schema.items()}


def located_value(name, value, place):
    if name == "$ref" and isinstance(value, str) and value.startswith("#"):
        return place + value[1:]
    # What may be sent is no schema.
    return value if name in ("enum", "const") else located(value, place)


def document(kind, schemas):
    """Takes each schema by its number. The operation `/NUMBER` takes a body of that schema."""
    paths = {}
    for number, schema in schemas.items():
        post = f"#/paths/~1{number}/post"
        if kind == "swagger":
            body = {"parameters": [{"in": "body", "name": "body",
                                    "schema": located(schema, f"{post}/parameters/0/schema")}],
                    "consumes": ["application/json"]}
        else:
            place = f"{post}/requestBody/content/application~1json/schema"
            body = {"requestBody": {"content": {"application/json": {"schema": located(schema, place)}}}}
        paths[f"/{number}"] = {"post": body | {"responses": {"200": {"description": "taken"}}}}
    version = {"swagger": "2.0"} if kind == "swagger" else {"openapi": "3.1.0"}
    return version | {"info": {"title": "suite", "version": "1"}, "paths": paths}


class Gateway:
    def __init__(self, program, folder, port):
        self.program, self.folder = program, folder
        (folder / "tollgate.toml").write_text(CONFIGURATION.format(port=port))

    def write(self, kind, schemas):
        (self.folder / "suite.json").write_text(json.dumps(document(kind, schemas)))

    def fault(self, kind, schema):
        """Why the gateway does not load a schema; empty: it does."""
        self.write(kind, {0: schema})
        checked = subprocess.run([self.program, "check", "tollgate.toml"], cwd=self.folder, capture_output=True, text=True)
        if checked.returncode == 0:
            return ""
        return next((line for line in (checked.stdout + checked.stderr).splitlines() if "error" in line), "a fault")

    def __enter__(self):
        log = open(self.folder / "gateway.log", "w")
        self.process = subprocess.Popen([self.program, "run", "tollgate.toml"], cwd=self.folder, stdout=log, stderr=log)
        while not (ready := re.search(r"ready, serving on http://([^/,]*)", (self.folder / "gateway.log").read_text())):
            if self.process.poll() is not None:
                sys.exit((self.folder / "gateway.log").read_text())
            time.sleep(0.01)
        self.connection = http.client.HTTPConnection(ready[1], timeout=10)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def takes(self, number, value):
        self.connection.request("POST", f"/{number}", json.dumps(value), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status == 200:
            return True
        if answer.status == 400 and json.loads(text)["code"] == "invalid_body":
            return False
        sys.exit(f"/{number} {value}: {answer.status} {text}")


def groups(folder):
    for file in sorted(folder.glob("*.json")):
        for group in json.loads(file.read_text()):
            yield file.stem, group


def known(path):
    """What may fail, by the beginning of its name, and whether it did."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {line.split(" | ")[0]: False for line in lines}


def main(program, tests, known_path):
    back_end = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BackEnd)
    threading.Thread(target=back_end.serve_forever, daemon=True).start()
    excused, unexpected = known(known_path), 0
    for dialect, kind in DIALECTS.items():
        passed, failed = collections.Counter(), collections.Counter()

        def judge(file, group, test, is_right, what):
            nonlocal unexpected
            if is_right:
                passed[file] += 1
                return
            failed[file] += 1
            name = f"{dialect}/{file}: {group['description']}: {test['description']}"
            excuse = next((one for one in excused if name.startswith(one)), None)
            if excuse:
                excused[excuse] = True
            else:
                unexpected += 1
                print(f"FAILED  {name} | {what}")

        with tempfile.TemporaryDirectory() as folder:
            gateway = Gateway(program, pathlib.Path(folder), back_end.server_port)
            loaded = []
            for file, group in groups(tests / dialect):
                why = gateway.fault(kind, group["schema"])
                if not why:
                    loaded.append((file, group))
                    continue
                for test in group["tests"]:
                    judge(file, group, test, False, why)
            gateway.write(kind, {number: group["schema"] for number, (_, group) in enumerate(loaded)})
            with gateway:
                for number, (file, group) in enumerate(loaded):
                    for test in group["tests"]:
                        is_right = gateway.takes(number, test["data"]) == test["valid"]
                        judge(file, group, test, is_right, "should be " + ("taken" if test["valid"] else "refused"))
        print(f"{dialect}: {passed.total()} of {passed.total() + failed.total()} passed; failed: "
              + (", ".join(f"{file} {count}" for file, count in sorted(failed.items())) or "none"))
    for name in (name for name, is_seen in excused.items() if not is_seen):
        unexpected += 1
        print(f"PASSED  {name}, and json-schema.known says that it fails")
    sys.exit(unexpected > 0)


main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
