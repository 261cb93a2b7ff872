"""Load at a fixed rate: requests are asked when they are due, whether or not earlier ones have been answered.

`wrk` cannot do that, and `h2load` sends in bursts.
"""

import contextlib
import ctypes
import gc
import os
import random
import re
import select
import socket
import ssl
import struct
import time
from array import array
from collections import deque
from dataclasses import dataclass

from .load import H2_STREAMS, LoadFailed


@dataclass
class Latency:
    """Microseconds from when a request was due to when its answer was whole."""

    p50: float
    p99: float
    #: How late the generator itself was, 99th percentile: what of p99 it may have to answer for. A request that waits for
    #: a connection is late because all are with the system under test, and counts from when one is free.
    late_p99: float
    worst: float
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
        #: Bytes of the last answer that came in one piece: the next one most likely has as many.
        self.usual = 0
        #: Answers with another status than 200.
        self.refused = 0

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
                    if len(chunk) == self.usual and not self.head and chunk.startswith(b"HTTP/1.1 200 "):
                        return [self.due]
                    self.head += chunk
                    head, end, rest = self.head.partition(b"\r\n\r\n")
                    if not end:
                        continue
                    self.refused += not head.startswith(b"HTTP/1.1 200 ")
                    self.left = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(rest)
                    self.usual = len(chunk) if self.left == 0 and len(self.head) == len(chunk) else 0
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
    refused = 0
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


class Offered:
    """What an open loop asked, in the order of the answers: when each was due, and how long it took from then."""

    def __init__(self):
        self.due, self.took, self.late, self.late_due = array("d"), array("d"), array("d"), array("d")
        #: Answers with another status than 200.
        self.refused = 0

    def latency(self, first=float("-inf"), last=float("inf")):
        """Of the requests that were due between two moments of `time.perf_counter`."""
        return self.latency_of([(first, last)])

    def latency_of(self, windows):
        """Of the requests that were due in any of some windows, taken together."""
        took, late = within(windows, self.due, self.took), within(windows, self.late_due, self.late)
        if not took:
            raise LoadFailed("no requests were due in this window")
        parts = (percentile(took, 0.5), percentile(took, 0.99), percentile(late, 0.99), max(took))
        return Latency(*(part * 1e6 for part in parts), len(took))


def within(windows, due, values):
    return [value for at, value in zip(due, values) if any(first <= at < last for first, last in windows)]


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
    sleep_sharply()
    luck = random.Random(1)
    offered, turn = Offered(), 0
    gc.collect()
    gc.disable()
    try:
        go_first()
        now = time.perf_counter
        due = now() + 0.05
        end = due + seconds
        #: Since when a connection is free.
        able = now()
        while due < end or len(free) < all_free:
            while due < end and free and due <= (moment := now()):
                offered.late.append(moment - max(due, able))
                offered.late_due.append(due)
                free.popleft().ask(requests[turn % len(requests)], due)
                turn += 1
                due += luck.expovariate(rate)
            if now() > end + 10:
                raise LoadFailed("answers are missing after 10 seconds")
            # epoll sleeps in whole milliseconds, which is too coarse; who spins takes the core away from the origin.
            if (wait := due - now() if due < end and free else 0.001) > 0:
                select.select([poll], [], [], wait)
            for fd, _ in poll.poll(0):
                for was_due in by_fd[fd].receive():
                    moment = now()
                    offered.due.append(was_due)
                    offered.took.append(moment - was_due)
                    if not free:
                        able = moment
                    free.append(by_fd[fd])
        offered.refused = sum(connection.refused for connection in by_fd.values())
    finally:
        stand_in_line()
        gc.enable()
        poll.close()
        for connection in by_fd.values():
            connection.socket.close()
    return offered


def sleep_sharply():
    """Lets this thread sleep as long as it asked for; by default the kernel adds up to 50 µs to save wake-ups."""
    PR_SET_TIMERSLACK = 29
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


def go_first():
    """Runs as soon as it is woken, where the system lets us: who waits for a stranger's turn to end measures strangers.
    It sleeps between requests, so the origin gets the rest of the core as before."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def stand_in_line():
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
