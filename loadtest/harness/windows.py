"""Windows of load: what a system used meanwhile, and whether others disturbed it.

A window is noisy when its cores were stolen or went to strangers for more than a small part of it. It is done again;
after a few attempts the quietest counts, and is marked.
"""

import resource
import time
from dataclasses import dataclass

from . import meters, report

#: The part of a window that others may take.
NOISE_ALLOWED = 0.04


@dataclass(frozen=True)
class Group:
    """Cores, and what of ours may run on them. Strangers are found by what is left over."""

    cores: tuple
    pids: tuple
    #: The harness and its children: the load.
    with_load: bool = False


class Windows:
    def __init__(self, retries):
        self.retries = retries
        #: Windows that were done again.
        self.redone = 0

    def quiet(self, number, pid, groups, ask):
        """The first window without noise, or the least noisy of all attempts, marked."""
        windows = []
        while len(windows) <= self.retries:
            windows.append(window(number, pid, groups, ask))
            if not windows[-1].is_noisy:
                break
        self.redone += len(windows) - 1
        return min(windows, key=lambda one: one.noise)


def window(number, pid, groups, ask):
    """Has `ask` put load on the process `pid`, and takes what that used."""
    began, cores_before = time.monotonic(), [busy(group.cores) for group in groups]
    known_before, before = [known(group) for group in groups], meters.cpu_of(pid)
    answered = ask()
    used = meters.cpu_of(pid) - before
    spent = [known(group) - was for group, was in zip(groups, known_before)]
    passed = [busy(group.cores) - was for group, was in zip(groups, cores_before)]
    took = time.monotonic() - began
    noise = max(
        (its.stolen + max(0, its.busy - ours)) / (took * len(group.cores))
        for group, its, ours in zip(groups, passed, spent))
    return report.Round(
        number, answered.requests, answered.seconds, used.user, used.system, noise, noise > NOISE_ALLOWED)


def busy(cores):
    return sum((meters.Core.read(core) for core in cores), meters.Core(0, 0))


def known(group):
    ours = sum(meters.cpu_of(pid).total for pid in group.pids)
    if group.with_load:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        ours += sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return ours
