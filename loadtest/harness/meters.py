"""What a process used and what the machine did meanwhile, from /proc.

Times are in seconds, memory in KiB. The clock of /proc ticks at 10 ms, so a window should last for a second or more.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass
class Cpu:
    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system

    def __sub__(self, other):
        return Cpu(self.user - other.user, self.system - other.system)


def family(pid):
    """The process and all its descendants that live."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += [int(child) for child in task.read_text().split()]
            except OSError:
                pass  # The thread has ended.
    return members


def cpu_of(pid):
    """User and system time of a process and its descendants, all threads of them."""
    user = system = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return Cpu(user * TICK, system * TICK)


def memory_of(pid):
    """Resident memory of a process and its descendants; a page that they share counts once."""
    total = 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # It has ended, as nginx's cache loader does a minute after the start.
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def stable_memory_of(pid, patience=30):
    """Resident memory once it has stayed the same for 2 seconds, within 1 part in 1,000, or after `patience` seconds."""
    seen = [memory_of(pid)]
    for _ in range(patience):
        time.sleep(1)
        seen.append(memory_of(pid))
        if len(seen) > 2 and max(seen[-3:]) - min(seen[-3:]) <= max(64, seen[-1] / 1000):
            break
    return seen[-1]


def kernel_memory():
    """What the kernel holds for itself: slabs (sockets, files and their like) and buffers of TCP, of the whole machine.

    No process is charged for it.
    """
    slab = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                if line.startswith("Slab:"))
    tcp = next(line.split() for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    return slab + int(tcp[tcp.index("mem") + 1]) * PAGE_KIB


def threads_of(pid):
    """Seconds of CPU time by thread, each as `NAME/ID`."""
    used = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            head, fields = (task / "stat").read_text().rsplit(")", 1)
        except OSError:
            continue  # The thread has ended.
        name, fields = head.split("(", 1)[1], fields.split()
        used[f"{name}/{task.name}"] = (int(fields[11]) + int(fields[12])) * TICK
    return used


def waited_for_core(pid, name):
    """Seconds that a process's threads of this name were ready to run while others had their core."""
    waited = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().strip() == name:
                waited += int((task / "schedstat").read_text().split()[1])
        except OSError:
            continue  # The thread has ended.
    return waited / 1e9


@dataclass
class Core:
    """What one core did since the machine started."""

    busy: float
    stolen: float

    @staticmethod
    def read(number):
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if name == f"cpu{number}":
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) * TICK for field in fields[:8])
                return Core(user + nice + system + irq + softirq, steal)
        raise LookupError(f"there is no core {number}")

    def __sub__(self, other):
        return Core(self.busy - other.busy, self.stolen - other.stolen)

    def __add__(self, other):
        return Core(self.busy + other.busy, self.stolen + other.stolen)


def pin(pid, cores):
    """All threads of a process; 0 is this one."""
    for task in Path(f"/proc/{pid or 'self'}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), set(cores))
        except ProcessLookupError:
            pass
