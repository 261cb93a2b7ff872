#!/usr/bin/env python3
"""What a request costs, side by side with peers; see README.md. `run.sh` installs what this needs and starts it."""

import argparse
import datetime
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import load, meters, report, scenarios, systems

BASE = "nginx"
#: A window is noisy when others took this part of it on either core.
NOISE_ALLOWED = 0.04
#: A round is done again when a system's figure in it is this many times its median.
SPREAD_ALLOWED = 1.3
#: Idle connections are this many, or as many as this process may have files, less these.
IDLE, SPARE_FILES = 10_000, 300


class Bench:
    def __init__(self, options):
        self.options = options
        self.core, self.load_core = options.cores
        self.scenarios = [one for one in scenarios.SCENARIOS if one.letter in options.scenarios]
        #: Those that answer, and all that have to be stopped.
        self.peers, self.started = {}, []
        self.results, self.memory, self.absent = {}, {}, {}
        self.redone = 0

    # Setting up

    def run(self, place):
        self.place = place
        place.furnish()
        self.origin = systems.Origin()
        self.started.append(self.origin)
        self.names = list(self.options.systems)
        try:
            self.origin.start(place, systems.ORIGIN_PORT, self.load_core)
            for turn, word in enumerate(self.names):
                self.start(word, systems.FIRST_PORT + 20 * turn)
            self.names = [word.split("=")[0] for word in self.names]
            self.base = BASE if BASE in self.peers else next(iter(self.peers), None)
            self.facts = self.describe()
            for scenario in self.scenarios:
                self.measure(scenario)
                say(report.table([scenario], self.names, self.results, self.base))
        finally:
            for system in reversed(self.started):
                system.stop()

    def start(self, word, first_port):
        name = word.split("=")[0]
        try:
            system = systems.make(word, self.options.tollgate)
            self.started.append(system)
            system.start(self.place, first_port, self.core)
        except (systems.NotHere, OSError) as why:
            say(f"{name} takes no part: {why}")
            self.absent[name] = str(why).splitlines()[0].rstrip(":")
            return
        self.peers[name] = system
        self.memory[name] = (meters.memory_of(system.process.pid), None)
        say(f"{name} {system.version()} is up")

    # One scenario

    def measure(self, scenario):
        say(f"{scenario.letter}: {scenario.title}")
        able = [name for name in self.names if self.is_able(name, scenario)]
        if scenario.letter == "i":
            for name in able:
                self.measure_idle(scenario, name)
            return
        self.warm_up(scenario, able)
        self.measure_rounds(scenario, able)
        self.measure_latency(scenario, able)
        for name in able:
            fresh, _ = self.memory[name]
            self.memory[name] = (fresh, meters.memory_of(self.peers[name].process.pid))

    def is_able(self, name, scenario):
        """Notes why a system is not measured here, if it is not."""
        result = self.results[scenario.letter, name] = report.Result()
        system = self.peers.get(name)
        if system is None:
            result.without = f"absent: {self.absent[name]}"
        elif scenario.letter in system.cannot:
            result.without = f"cannot: {system.cannot[scenario.letter]}"
        else:
            try:
                scenarios.check(scenario, system)
            except (scenarios.Wrong, load.LoadFailed, OSError, scenarios.http.client.HTTPException) as why:
                result.without = f"wrong: {why}"
                say(f"  {name}: {result.without}")
        return not result.without

    def warm_up(self, scenario, able):
        script = self.place.folder / f"{scenario.letter}.lua"
        load.wrk_script(script, scenario.method, scenario.body_bytes, scenario.values())
        for name in able:
            self.ask(scenario, name, 1)

    def ask(self, scenario, name, seconds):
        url = scenario.url(self.peers[name])
        if scenario.port == "h2c":
            return load.h2load(url, seconds=seconds)
        return load.wrk(url, self.place.folder / f"{scenario.letter}.lua", seconds)

    def measure_rounds(self, scenario, able):
        for number in range(self.options.rounds):
            self.measure_round(scenario, able, number)
        for number in self.spread_rounds(scenario, able)[: self.options.rounds // 3]:
            self.redone += 1
            for name in able:
                result = self.results[scenario.letter, name]
                result.rounds = [one for one in result.rounds if one.number != number]
            self.measure_round(scenario, able, number)

    def measure_round(self, scenario, able, number):
        """One window of each system, each round in another order; noisy windows are done again."""
        turn = number % max(1, len(able))
        for name in able[turn:] + able[:turn]:
            result = self.results[scenario.letter, name]
            if result.without:
                continue
            try:
                result.rounds.append(self.quiet_window(scenario, name, number))
            except (scenarios.Wrong, load.LoadFailed) as why:
                result.without, result.rounds = f"wrong: {why}", []
                say(f"  {name}: {result.without}")

    def quiet_window(self, scenario, name, number):
        """The first window without noise, or the least noisy of all attempts, marked."""
        windows = []
        while len(windows) <= self.options.retries:
            windows.append(self.window(scenario, name, number))
            if windows[-1].noise <= NOISE_ALLOWED:
                break
        self.redone += len(windows) - 1
        return min(windows, key=lambda one: one.noise)

    def window(self, scenario, name, number):
        cores = (self.core, self.load_core)
        pids = (self.peers[name].process.pid, self.origin.process.pid)
        children = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        own = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        began, cores_before = time.monotonic(), [meters.Core.read(core) for core in cores]
        before, ours = [meters.cpu_of(pid) for pid in pids], children() + own()
        answered = self.ask(scenario, name, self.options.seconds)
        used = [meters.cpu_of(pid) - was for pid, was in zip(pids, before)]
        ours = children() + own() - ours
        passed = [meters.Core.read(core) - was for core, was in zip(cores, cores_before)]
        took = time.monotonic() - began
        scenarios.check_load(scenario, answered)
        noise = noise_of(took, passed, [used[0].total, used[1].total + ours])
        return report.Round(
            number, answered.requests, answered.seconds, used[0].user, used[0].system, noise, noise > NOISE_ALLOWED)

    def spread_rounds(self, scenario, able):
        """Rounds in which a system's figure is far from its median: all systems do those again."""
        far = set()
        for name in able:
            rounds = self.results[scenario.letter, name].rounds
            if rounds:
                middle = statistics.median(one.us for one in rounds)
                far |= {one.number for one in rounds if one.us > SPREAD_ALLOWED * middle}
        return sorted(far)

    def measure_latency(self, scenario, able):
        for _ in range(self.options.latency_rounds):
            for name in able:
                result = self.results[scenario.letter, name]
                if result.without:
                    continue
                try:
                    result.latencies.append(scenario.open_loop(self.peers[name], self.options.latency_seconds))
                except (load.LoadFailed, OSError) as why:
                    say(f"  {name}: no latencies at the fixed rate: {why}")

    def measure_idle(self, scenario, name):
        """A fresh start of its own, so that what earlier scenarios left in the allocator does not hide the cost."""
        count = min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
        system, result = self.peers[name], self.results[scenario.letter, name]
        system.restart()
        load.close(load.hold_idle(system.port("http"), 100, scenario.rendered()[0]))
        time.sleep(1)
        before = meters.memory_of(system.process.pid)
        try:
            held = load.hold_idle(system.port("http"), count, scenario.rendered()[0])
        except (OSError, load.LoadFailed) as why:
            result.without = f"wrong: {why}"
            return
        time.sleep(2)
        after, kept = meters.memory_of(system.process.pid), load.still_open(held)
        load.close(held)
        if kept < count:
            result.without = f"wrong: keeps {kept} of {count} connections"
        else:
            result.idle_kib = (after - before) / count

    # What is told of it

    def describe(self):
        model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), "?")
        return {
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}",
            "commit": commit(),
            "gateway": describe_binary(self.options.tollgate),
            "versions": ", ".join(f"{name} {system.version()}" for name, system in self.peers.items()),
            "rounds": f"{self.options.rounds} of {self.options.seconds} s, {load.CONNECTIONS} connections",
            "cores": f"systems on {self.core}, load and origin on {self.load_core}",
            "open loop": f"{self.options.latency_rounds} of {self.options.latency_seconds} s; requests/s: "
                         + ", ".join(f"{one.letter} {one.rate}" for one in self.scenarios if one.letter != "i"),
        }

    def text(self):
        facts = self.facts | {"windows done again": self.redone, "load average": "%.1f %.1f %.1f" % os.getloadavg()}
        return "\n".join([
            "# What a request costs\n", report.facts_table(facts),
            report.table(self.scenarios, self.names, self.results, self.base), report.memory_table(self.memory)])

    def keep(self):
        kind = "-quick" if self.options.quick else ""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M")
        target = self.options.results / f"{stamp}-{commit()}{kind}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(target.name + ".md").write_text(self.text())
        target.with_name(target.name + ".json").write_text(
            report.as_json(self.facts, self.scenarios, self.names, self.results, self.memory, self.base))
        return target

    def gateway_is_right(self):
        ours = [name for name, system in self.peers.items() if isinstance(system, systems.Tollgate)]
        return not any(self.results[one.letter, name].without for one in self.scenarios for name in ours)


def noise_of(took, passed, known):
    """What else went on, as a part of the time: stolen, or spent by others than the system, the origin and the load."""
    return max((its.stolen + max(0, its.busy - ours)) / took for its, ours in zip(passed, known))


def commit():
    def git(*words):
        return subprocess.run(["git", *words], cwd=systems.HERE, capture_output=True, text=True).stdout.strip()

    changed = "-changed" if git("status", "--porcelain", "../src", "../Cargo.toml") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def describe_binary(path):
    folder = path.resolve().parent.name
    profile = folder if folder in ("debug", "release", "dist") else "unknown"
    if not path.exists():
        return f"{path} is not there"
    return f"{path} (profile {profile}, {path.stat().st_size / 1e6:.1f} MB)"


def say(text):
    print(text, flush=True)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 short rounds: shows that all works, not what it costs")
    parser.add_argument("--scenarios", default="abcdefghij", help="letters, such as abc")
    parser.add_argument("--systems", default="tollgate,nginx,haproxy,varnish,envoy",
                        help="names with commas between; NAME=PATH is another build of the gateway")
    parser.add_argument("--rounds", type=int, help="15; 3 with --quick")
    parser.add_argument("--seconds", type=int, help="of a round: 3; 1 with --quick")
    parser.add_argument("--retries", type=int, help="how often a noisy window is done again: 3; 0 with --quick")
    parser.add_argument("--cores", default="0,1", help="the systems' core and the load's")
    parser.add_argument("--tollgate", type=Path, required=True, help="the gateway's binary")
    parser.add_argument("--results", type=Path, default=systems.HERE / "results", help="where the tables are kept")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (3 if quick else 15)
    options.seconds = options.seconds or (1 if quick else 3)
    options.retries = (0 if quick else 3) if options.retries is None else options.retries
    options.latency_rounds, options.latency_seconds = (1, 2) if quick else (3, 8)
    options.systems = options.systems.split(",")
    options.cores = tuple(int(core) for core in options.cores.split(","))
    if os.cpu_count() < 2:
        raise SystemExit("only one core here: what is measured would share it with load and origin")
    return options


def interrupted(*_):
    # Once is enough: a second signal must not interrupt the cleaning up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    options = read_options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {options.cores[1]})
    folder, shm = Path(tempfile.mkdtemp(prefix="loadtest-")), Path(tempfile.mkdtemp(prefix="loadtest-", dir="/dev/shm"))
    bench = Bench(options)
    try:
        bench.run(systems.Place(folder, shm))
    except KeyboardInterrupt:
        say("interrupted: everything is stopped, nothing is kept")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(shm, ignore_errors=True)
    say(bench.text())
    say(f"kept in {bench.keep()}.md and .json")
    return 0 if bench.gateway_is_right() else 1


if __name__ == "__main__":
    sys.exit(main())
