"""Load: wrk and h2load ask as fast as they can, and an open loop of our own asks at a fixed rate.

Each returns what was answered. Everything runs on the load core and only against 127.0.0.1.
"""

import gc
import json
import random
import re
import select
import socket
import ssl
import struct
import subprocess
import time
from collections import deque
from dataclasses import dataclass

CONNECTIONS = 64
H2_CONNECTIONS, H2_STREAMS = 16, 4

# Requests are rendered once, so that what wrk costs does not depend on the scenario.
WRK_SCRIPT = """
local rendered, turn = {}, 0
function init()
  wrk.method = "@METHOD@"
  if @BODY_BYTES@ > 0 then wrk.body = string.rep("x", @BODY_BYTES@) end
  local keys = { @KEYS@ }
  if #keys == 0 then rendered[1] = wrk.format() end
  for i, key in ipairs(keys) do
    wrk.headers["x-api-key"] = key
    rendered[i] = wrk.format()
  end
end
function request()
  turn = turn % #rendered + 1
  return rendered[turn]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('@@{"requests":%d,"us":%d,"failed":%d,"refused":%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status))
end
"""


@dataclass
class Load:
    requests: int
    seconds: float
    #: Answers with a status over 399.
    refused: int
    #: Requests without an answer.
    failed: int


class LoadFailed(Exception):
    """The load generator did not do its work."""


def run(command, seconds):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wrk_script(target, method, body_bytes, keys):
    words = {"METHOD": method, "BODY_BYTES": str(body_bytes), "KEYS": ",".join(f'"{key}"' for key in keys)}
    target.write_text(re.sub(r"@([A-Z_]+)@", lambda match: words[match[1]], WRK_SCRIPT))
    return target


def wrk(url, script, seconds):
    text = run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", script, url], seconds)
    report = json.loads(re.search(r"@@(\{.*\})", text)[1])
    return Load(report["requests"], report["us"] / 1e6, report["refused"], report["failed"])


def h2load(url, seconds=None, requests=None):
    amount = ["-D", f"{seconds}s"] if seconds else ["-n", str(requests)]
    command = ["h2load", *amount, "-c", str(H2_CONNECTIONS), "-m", str(H2_STREAMS), "-t", "1", url]
    text = run(command, seconds or 10)
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (total|done|succeeded|failed|2xx|4xx|5xx)", text)}
    took = re.search(r"finished in ([\d.]+)(us|ms|s)", text)
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[took[2]]
    return Load(counts["succeeded"], float(took[1]) * scale, counts["4xx"] + counts["5xx"], counts["failed"])


@dataclass
class Latency:
    """Microseconds from when a request was due to when its answer was whole."""

    p50: float
    p99: float
    #: How late the generator itself was, 99th percentile: what of p99 it may have to answer for.
    late_p99: float
    answered: int


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Http1:
    """A connection that has one request in flight. Answers have a Content-Length here."""

    streams = 1

    def __init__(self, port, tls):
        plain = connect(port)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.socket.setblocking(False)
        self.due = 0.0
        self.left = None
        self.head = b""

    def ask(self, request, due):
        """Sends as much as fits and waits for the rest: a request is at most 16 KiB, which loopback takes whole."""
        self.due = due
        while request:
            try:
                request = request[self.socket.send(request):]
            except (BlockingIOError, ssl.SSLWantWriteError):
                select.select([], [self.socket], [], 1)

    def receive(self):
        """When the requests were due whose answers are whole now."""
        try:
            while chunk := self.socket.recv(262144):
                if self.left is None:
                    self.head += chunk
                    head, end, rest = self.head.partition(b"\r\n\r\n")
                    if not end:
                        continue
                    self.left = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(rest)
                    self.head = b""
                else:
                    self.left -= len(chunk)
                if self.left <= 0:
                    self.left = None
                    return [self.due]
        except (BlockingIOError, ssl.SSLWantReadError):
            return []
        raise LoadFailed("the connection was closed")


class Http2:
    """A connection by prior knowledge with some streams in flight (RFC 9113). Requests are HPACK blocks."""

    streams = H2_STREAMS
    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 1, 3, 4, 6, 7, 8
    ACK = END_STREAM = 1
    END_HEADERS = 4
    #: Windows so large that none is ever updated.
    WINDOW = 2**31 - 1

    def __init__(self, port, _tls):
        self.socket = connect(port)
        settings = struct.pack(">HI", 4, self.WINDOW)
        whole = struct.pack(">I", self.WINDOW - 65535)
        windows = frame(self.SETTINGS, 0, 0, settings) + frame(self.WINDOW_UPDATE, 0, 0, whole)
        self.socket.sendall(self.PREFACE + windows)
        self.socket.setblocking(False)
        self.next_stream, self.due, self.unread = 1, {}, b""

    def ask(self, block, due):
        self.due[self.next_stream] = due
        self.socket.sendall(frame(self.HEADERS, self.END_STREAM | self.END_HEADERS, self.next_stream, block))
        self.next_stream += 2

    def receive(self):
        try:
            chunk = self.socket.recv(262144)
        except BlockingIOError:
            return []
        if not chunk:
            raise LoadFailed("the connection was closed")
        self.unread += chunk
        answered = []
        while len(self.unread) >= 9:
            length = int.from_bytes(self.unread[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", self.unread[3:9])
            if len(self.unread) < 9 + length:
                break
            payload, self.unread = self.unread[9 : 9 + length], self.unread[9 + length :]
            if kind in (self.SETTINGS, self.PING) and not flags & self.ACK:
                self.socket.sendall(frame(kind, self.ACK, 0, payload if kind == self.PING else b""))
            elif kind in (self.RST_STREAM, self.GOAWAY):
                raise LoadFailed("the stream or the connection was refused")
            elif kind <= self.HEADERS and flags & self.END_STREAM:
                answered.append(self.due.pop(stream))
        return answered


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def hpack_block(path):
    """A GET without any table: static names and plain strings (RFC 7541)."""
    text = lambda value: bytes([len(value)]) + value.encode()
    return b"\x82\x86\x04" + text(path) + b"\x01" + text("127.0.0.1")


def open_loop(make, count, requests, rate, seconds):
    """Asks at random moments (Poisson) at `rate` a second, whether or not earlier requests have been answered.

    `make` opens one of `count` connections. A request that finds none free waits for one, and its wait counts.
    """
    by_fd = {connection.socket.fileno(): connection for connection in (make() for _ in range(count))}
    free = deque(connection for connection in by_fd.values() for _ in range(connection.streams))
    all_free = len(free)
    poll = select.epoll()
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    luck = random.Random(1)
    took, late, turn = [], [], 0
    gc.collect()
    gc.disable()
    try:
        now = time.perf_counter
        due = now() + 0.05
        end = due + seconds
        while due < end or len(free) < all_free:
            while due < end and free and due <= (moment := now()):
                late.append(moment - due)
                free.popleft().ask(requests[turn % len(requests)], due)
                turn += 1
                due += luck.expovariate(rate)
            if now() > end + 10:
                raise LoadFailed("answers are missing after 10 seconds")
            # epoll sleeps in whole milliseconds, which is too coarse: close to the next request we spin.
            wait = 0 if due < end and free and due - now() < 0.0015 else 0.001
            for fd, _ in poll.poll(wait):
                for was_due in by_fd[fd].receive():
                    took.append(now() - was_due)
                    free.append(by_fd[fd])
    finally:
        gc.enable()
        poll.close()
        close(connection.socket for connection in by_fd.values())
    return Latency(percentile(took, 0.5) * 1e6, percentile(took, 0.99) * 1e6, percentile(late, 0.99) * 1e6, len(took))


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def hold_idle(port, count, request):
    """Opens connections, has one answer over each, and leaves them open."""
    held = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            held.append(connection)
            connection.sendall(request)
            head = b""
            while b"\r\n\r\n" not in head:
                chunk = connection.recv(65536)
                if not chunk:
                    raise LoadFailed("the connection was closed")
                head += chunk
            head, _, body = head.partition(b"\r\n\r\n")
            left = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(body)
            while left > 0:
                left -= len(connection.recv(65536))
    except (OSError, LoadFailed):
        close(held)
        raise
    return held


def still_open(held):
    """How many connections the other side has kept."""
    kept = 0
    for connection in held:
        connection.setblocking(False)
        try:
            kept += connection.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            kept += 1
        except OSError:
            pass
    return kept


def close(held):
    for connection in held:
        connection.close()
