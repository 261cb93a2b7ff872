#!/usr/bin/env python3
"""What a request costs, side by side with peers; see README.md. `run.sh` installs what this needs and starts it."""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from harness import cores, facts, swap, systems
from harness.comparison import Comparison
from harness.growth import Growth
from harness.report import say

#: Files that the harness and a system may have open: 10,000 connections, and their other ends at the origin.
FILES = 65_536


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    mode = lambda name, made, told: modes.add_argument(
        name, dest="mode", action="store_const", const=made, default=Comparison, help=told)
    mode("--growth", Growth, "the gateway alone: few and many routes, keys and cached entries")
    mode("--swap", swap.Swap, "the gateway alone: latency while a large configuration is swapped")
    mode("--cores", cores.Cores, "the gateway alone: one thread and two")
    parser.add_argument("--quick", action="store_true", help="3 short rounds: shows that all works, not what it costs")
    parser.add_argument("--scenarios", default="abcdefghij", help="letters, such as abc")
    parser.add_argument("--systems", default="tollgate,nginx,haproxy,varnish,envoy",
                        help="names with commas between; NAME=PATH is another build of the gateway, floor the kernel's calls alone")
    parser.add_argument("--rounds", type=int, help="15; 3 with --quick")
    parser.add_argument("--seconds", type=int, help="of a round: 3; 1 with --quick")
    parser.add_argument("--retries", type=int, help="how often a noisy window is done again: 3; 0 with --quick")
    parser.add_argument("--pin", default="0,1", help="the systems' core and the load's")
    parser.add_argument("--first-port", type=int, default=systems.FIRST_PORT, help="of the systems: 100 ports from here")
    parser.add_argument("--origin-port", type=int, default=systems.ORIGIN_PORT)
    parser.add_argument("--tollgate", type=Path, required=True, help="the gateway's binary")
    parser.add_argument("--results", type=Path, default=systems.HERE / "results", help="where the tables are kept")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (3 if quick else 15)
    options.seconds = options.seconds or (1 if quick else 3)
    options.retries = (0 if quick else 3) if options.retries is None else options.retries
    options.starts = 1 if quick else 3
    options.latency_rounds, options.latency_seconds = (4, 1) if quick else (24, 1)
    options.systems = options.systems.split(",")
    options.pin = tuple(int(core) for core in options.pin.split(","))
    if os.cpu_count() < 2:
        raise SystemExit("only one core here: what is measured would share it with load and origin")
    return options


def raise_file_limit():
    """For this process and all that it starts. Root may lift the hard limit too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= FILES:
        return resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def interrupted(*_):
    # Once is enough: a second signal must not interrupt the cleaning up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def keep(run, options):
    quick = "-quick" if options.quick else ""
    target = options.results / f"{facts.stamp()}-{facts.commit()}{run.kind}{quick}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name(target.name + ".md").write_text(run.text())
    target.with_name(target.name + ".json").write_text(run.as_json())
    return target


def main():
    options = read_options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    raise_file_limit()
    os.sched_setaffinity(0, {options.pin[1]})
    folder, shm = Path(tempfile.mkdtemp(prefix="loadtest-")), Path(tempfile.mkdtemp(prefix="loadtest-", dir="/dev/shm"))
    run = options.mode(options)
    try:
        place = systems.Place(folder, shm, options.origin_port)
        place.furnish()
        run.run(place)
    except KeyboardInterrupt:
        say("interrupted: everything is stopped, nothing is kept")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(shm, ignore_errors=True)
    say(run.text())
    say(f"kept in {keep(run, options)}.md and .json")
    return 0 if run.is_right() else 1


if __name__ == "__main__":
    sys.exit(main())
