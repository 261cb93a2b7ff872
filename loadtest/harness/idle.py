"""What an idle keep-alive connection costs in memory.

Each time from a fresh start with few keys: what earlier load or the reading of a large configuration left in an
allocator would be used up, or given back to the kernel, and hide the cost. Some traffic over other connections comes
first, so that what is made at the first request exists; then the memory has to be stable before the connections are
opened, and again before it is read with all of them open.
"""

import re
import resource
import socket
import statistics
from dataclasses import dataclass

from . import meters
from .load import LoadFailed

#: Connections that are measured.
COUNT = 10_000
#: Files that this process needs for itself.
SPARE_FILES = 300
#: Connections of the warm-up, and requests over each.
WARM_CONNECTIONS, WARM_REQUESTS = 16, 100
KEYS = 10


@dataclass
class Held:
    """KiB before the connections were opened and with all of them open and idle."""

    count: int
    before: int
    after: int
    #: Growth of the kernel's own memory meanwhile, for both ends of all connections.
    kernel: int

    @property
    def each_kib(self):
        return (self.after - self.before) / self.count

    @property
    def kernel_each_kib(self):
        return self.kernel / self.count


@dataclass
class Idle:
    """One measurement after each of some fresh starts."""

    each: list

    @property
    def kib(self):
        return statistics.median(one.each_kib for one in self.each)

    @property
    def text(self):
        its = sorted(one.each_kib for one in self.each)
        middle = lambda name: statistics.median(getattr(one, name) for one in self.each)
        return (f"{self.kib:.2f} KiB each ({its[0]:.2f}–{its[-1]:.2f} in {len(its)} starts): {middle('before') / 1024:.1f}"
                f" → {middle('after') / 1024:.1f} MiB; the kernel's, both ends: {middle('kernel_each_kib'):.1f} KiB each")


def measure(system, request, starts):
    """`Idle`, from as many fresh starts. `LoadFailed` when the system does not keep its connections."""
    try:
        return Idle([measure_once(system, request) for _ in range(starts)])
    finally:
        system.restart()


def measure_once(system, request):
    system.restart(KEYS)
    count = min(COUNT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
    port, pid = system.port("http"), system.process.pid
    warm = hold(port, WARM_CONNECTIONS, request, WARM_REQUESTS)
    close(warm)
    before, kernel = meters.stable_memory_of(pid), meters.kernel_memory()
    held = hold(port, count, request)
    try:
        after, kernel = meters.stable_memory_of(pid), meters.kernel_memory() - kernel
        kept = still_open(held)
    finally:
        close(held)
    if kept < count:
        raise LoadFailed(f"keeps {kept} of {count} connections")
    return Held(count, before, after, kernel)


def hold(port, count, request, times=1):
    """Opens connections, has some answers over each, and leaves them open."""
    held = []
    try:
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(times):
                held[-1].sendall(request)
                take_answer(held[-1])
    except (OSError, LoadFailed):
        close(held)
        raise
    return held


def take_answer(connection):
    """Reads one answer, which has a Content-Length, to its end."""
    head, end = b"", b""
    while not end:
        head, end, rest = (head + received(connection)).partition(b"\r\n\r\n")
    left = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(rest)
    while left > 0:
        left -= len(received(connection))


def received(connection):
    chunk = connection.recv(65536)
    if not chunk:
        raise LoadFailed("the connection was closed")
    return chunk


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
