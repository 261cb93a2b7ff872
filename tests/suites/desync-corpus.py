"""The requests of http_desync_guardian through the gateway: see desync-corpus.sh."""

import itertools
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import yaml

CONFIGURATION = """
[server]
listen = ["127.0.0.1:0"]
threads = 1
limits = {{ head_timeout = "500ms", body_timeout = "500ms", idle_timeout = "500ms" }}
[admin]
listen = "127.0.0.1:0"
[state]
dir = "{folder}/state"
[telemetry]
access_log = {{ path = "off" }}
[domains."*"]
mappings = {{ "/" = "suite/prod" }}
[apis.suite]
routes = [{{ method = "ANY", path = "/{{proxy+}}", integration = {{ type = "HTTP_PROXY", uri = "http://127.0.0.1:{port}/{{proxy}}" }} }}]
[apis.suite.stages.prod]
"""

#: Ways to read requests that some server has, or had: lone line feeds end lines, names are read with spaces and
#: underscores, a length counts more than chunks, the last of two lengths counts.
READERS = list(itertools.product([False, True], repeat=4))
BY_THE_BOOK = READERS[0]


def read(data, reader):
    """A request's first line and how long it is with its body; None: it is not whole."""
    lone_feeds, misspellings, prefers_length, last_length = reader
    head = re.match(rb"(?s)(?:\r?\n)*(.+?)\r?\n\r?\n" if lone_feeds else rb"(?s)(?:\r\n)*(.+?)\r\n\r\n", data)
    if not head:
        return None
    lines = re.split(rb"\r?\n" if lone_feeds else rb"\r\n", head[1])
    length, chunked = None, False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip().lower()
        if misspellings:
            name = name.replace(b"_", b"-").strip(bytes(range(33)))
        if name == b"content-length" and (length is None or last_length):
            length = int((re.match(rb"\+?(\d+)", value) or [b"", b"0"])[1])
        if name == b"transfer-encoding":
            chunked |= b"chunked" in value if misspellings else value == b"chunked"
    at = head.end()
    if length is not None and (prefers_length or not chunked):
        at += length
    elif chunked:
        while True:
            size = re.match(rb"([0-9a-fA-F]+)[^\n]*\n", data[at:])
            if not size:
                return None
            at += size.end()
            if int(size[1], 16) == 0:
                break
            at += int(size[1], 16) + 2
        end = data.find(b"\r\n", at)
        at = end + 2 if end >= 0 else len(data) + 1
    return (lines[0], at) if at <= len(data) else None


def read_all(data, reader):
    lines = []
    while found := read(data, reader):
        lines.append(found[0])
        data = data[found[1]:]
    return lines


class BackEnd:
    """Keeps every byte, by connection, and answers each request that it reads by the book."""

    def __init__(self):
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.heard.append(bytearray())
            threading.Thread(target=self.talk, args=(connection, self.heard[-1]), daemon=True).start()

    def talk(self, connection, heard):
        unread = b""
        while piece := connection.recv(65536):
            heard += piece
            unread += piece
            while found := read(unread, BY_THE_BOOK):
                unread = unread[found[1]:]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def request_of(case):
    """The bytes of a case. It names no host and no body, which a request needs to be judged by anything else."""
    fields = [(str(field["name"]), str(field["value"])) for field in case.get("headers") or []]
    version = case.get("version") or ""
    head = f"{case['method']} {case['uri']}{' ' if version else ''}{version}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields)
    if version != "HTTP/1.0" and not any(name.strip().lower() == "host" for name, _ in fields):
        head += "Host: suite\r\n"
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    chunked = [value for name, value in fields if name.lower() == "transfer-encoding"]
    is_number = lengths and re.fullmatch(r"\s*\d{1,7}\s*", lengths[0])
    body = "0\r\n\r\n" if chunked else "b" * int(lengths[0]) if is_number else ""
    # Most are bytes written as characters; the others are text.
    is_text = any(ord(char) > 255 for char in head)
    return (head + "\r\n" + body).encode("utf-8" if is_text else "latin-1")


def ask(port, request):
    """The status, and whether a request behind it was read."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        answer = b""
        try:
            connection.sendall(request + b"GET /after HTTP/1.1\r\nHost: suite\r\nConnection: close\r\n\r\n")
            while piece := connection.recv(65536):
                answer += piece
        except OSError:
            pass
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(statuses[0]) if statuses else 0, len(statuses) > 1


def judge(tier, status, goes_on, heard):
    """What is wrong; None: nothing."""
    stories = {tuple(read_all(heard, reader)) for reader in READERS}
    if len(stories) > 1:
        return f"back ends read different requests: {stories}"
    if tier == "Severe" and (status != 400 or goes_on or any(b"/after" not in line for line in next(iter(stories)))):
        return f"answered with {status}" + (", and what follows is read" if goes_on else "")
    if tier == "Compliant" and status != 200:
        return f"refused with {status}"
    if status not in (200, 400, 405):
        return f"answered with {status}"
    return None


def main():
    binary, corpus, known_file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    known = dict(line.split(" # ", 1) for line in known_file.read_text().splitlines() if " # " in line)
    back_end = BackEnd()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "tollgate.toml"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=back_end.port))
        gateway = subprocess.Popen([binary, "run", configuration], stderr=subprocess.PIPE, text=True)
        try:
            ready = next(line for line in gateway.stderr if "ready, serving" in line)
            threading.Thread(target=gateway.stderr.read, daemon=True).start()
            port = int(re.search(r"127\.0\.0\.1:(\d+)", ready)[1])
            faults, counts = run(corpus, port, back_end)
        finally:
            gateway.terminate()
            gateway.wait()
    for (tier, outcome), number in sorted(counts.items()):
        print(f"{tier:10} {outcome:8} {number}")
    unknown = {name: why for name, why in faults.items() if name not in known}
    mended = [name for name in known if name not in faults]
    for name, why in unknown.items():
        print(f"FAILED {name}: {why}")
    for name in mended:
        print(f"PASSES, but is listed as known: {name}")
    total = sum(counts.values())
    print(f"{total - len(faults)} of {total} passed, {len(faults) - len(unknown)} known")
    sys.exit(1 if unknown or mended else 0)


def run(corpus, port, back_end):
    faults, counts = {}, Counter()
    for file in sorted(corpus.glob("*.yaml")):
        for number, case in enumerate(yaml.safe_load(file.read_text()) or []):
            before = len(back_end.heard), [len(stream) for stream in back_end.heard]
            status, goes_on = ask(port, request_of(case))
            time.sleep(0.01)
            heard = b"".join(bytes(stream[before[1][i] if i < before[0] else 0 :]) for i, stream in enumerate(back_end.heard))
            tier = case["expected"]["tier"]
            counts[tier, {200: "passed", 400: "refused"}.get(status, str(status))] += 1
            if why := judge(tier, status, goes_on, heard):
                faults[f"{file.stem}/{number} {case['name']}"] = why
    return faults, counts


main()
