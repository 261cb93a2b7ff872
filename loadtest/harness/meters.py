"""What a process used and what the machine did meanwhile, from /proc.

Times are in seconds, memory in KiB. The clock of /proc ticks at 10 ms, so a window should last for a second or more.
"""

import os
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


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
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


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
