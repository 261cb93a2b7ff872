"""What requests feel of a large configuration that takes another one's place.

The gateway serves (b) at half of what it can while two configurations of 10,000 routes and 100,000 keys take turns. Half
of the routes and keys are in both, and the load asks for those only; the other half is new with each swap. A swap is
what an operator does: the main file is replaced, `POST /v1/reload` is sent, and its answer is awaited. All latencies are
from one open loop, cut into the time before each swap and the time of it; most of the load is `wrk`'s, whose connections
pause between requests. A swap in whose time strangers took part of the cores does not count while there are others.
"""

import http.client
import json
import multiprocessing
import os
import re
import signal
import statistics
import time
from dataclasses import asdict, dataclass

from . import facts, load, meters, openloop, report, scenarios, systems, windows
from .gateway import Gateway, Shape, key_value, route_path, write_parts

#: The 99th percentile during swaps may be this many times that before them.
RATIO_ALLOWED = 1.5
ROUTES, KEYS = 10_000, 100_000
FIRST = Shape(ROUTES, KEYS)
SECOND = Shape(ROUTES, KEYS, ROUTES // 2, KEYS // 2)
#: Part of the saturation rate that is offered.
LOAD = 0.5
WARM_SECONDS, SATURATION_SECONDS = 3, 3
#: Of these, so many a second are asked by the open loop, which tells how long they took.
TIMED = 1_000
#: How far the load may be from what is wanted, and how often another pause is tried.
NEAR_ENOUGH, REHEARSALS, REHEARSAL_SECONDS = 0.05, 8, 2
#: What the generator may be late in a swap that counts, 99th percentile.
LATE_US_ALLOWED = 5_000
#: Between swaps; what is before one counts from `BEFORE` seconds ahead of it.
PAUSE, BEFORE = 5.0, 3.0
#: What is felt of a swap may come late: the old configuration is let go after the answer.
AFTER = 0.5
#: A reload that takes longer than this is not begun near the end.
RELOAD_SECONDS = 10
#: What is stopped from outside may run for so long after the time when that is due.
SPARE_SECONDS = 60


@dataclass
class Swapped:
    """One swap, in moments of `time.perf_counter`, and what the gateway said of it."""

    began: float
    ended: float
    status: int
    answer: str
    #: The part of both cores that was stolen or went to strangers, from `BEFORE` to `AFTER`.
    noise: float = 0.0
    #: How late the generator was itself, in microseconds: it goes before all others, so the whole machine stood still.
    late_us: float = 0.0
    #: The part of its core that the gateway used before.
    used: float = 0.0
    #: The part of the time that the worker was ready and had to wait for its core.
    waited_before: float = 0.0
    waited_during: float = 0.0


def swap_in_turns(gateway, cores, until, told):
    """Runs as a process of its own, so that the open loop is not held up. Sends each `Swapped`, then None."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    parts = ["second", "parts"]
    time.sleep(PAUSE - BEFORE)
    while time.perf_counter() < until:
        parts.append(parts.pop(0))
        told.send(swap_and_watch(gateway, cores, parts[-1]))
        time.sleep(PAUSE - BEFORE)
    told.send(None)


def swap_and_watch(gateway, cores, parts):
    """One swap, and what else became of both cores meanwhile."""
    # The harness and all that it has started.
    ours = windows.Group(cores, (os.getppid(),))
    pid = gateway.process.pid
    waited = lambda: meters.waited_for_core(pid, "worker-0")
    began, busy, known, waited_first = time.perf_counter(), windows.busy(cores), windows.known(ours), waited()
    used = meters.cpu_of(pid)
    time.sleep(BEFORE)
    waited_second, used = waited(), meters.cpu_of(pid) - used
    swapped = swap(gateway, parts)
    time.sleep(AFTER)
    waited_third, ended = waited(), time.perf_counter()
    passed = windows.busy(cores) - busy
    strangers = max(0, passed.busy - (windows.known(ours) - known))
    swapped.noise = (passed.stolen + strangers) / ((ended - began) * len(cores))
    swapped.used = used.total / BEFORE
    swapped.waited_before = (waited_second - waited_first) / BEFORE
    swapped.waited_during = (waited_third - waited_second) / (ended - swapped.began)
    return swapped


def swap(gateway, parts):
    target = gateway.folder / "tollgate.toml"
    gateway.write_main(target.with_suffix(".next"), parts)
    asker = http.client.HTTPConnection("127.0.0.1", gateway.ports["admin"], timeout=120)
    asker.connect()
    began = time.perf_counter()
    os.replace(target.with_suffix(".next"), target)
    asker.request("POST", "/v1/reload", headers={"Authorization": f"Bearer {gateway.token}"})
    answer = asker.getresponse()
    text = answer.read().decode()
    ended = time.perf_counter()
    asker.close()
    return Swapped(began, ended, answer.status, text)


class Swap:
    title, kind = "What requests feel of a swap", "-swap"

    def __init__(self, options):
        self.options = options
        self.core, self.load_core = options.pin
        self.seconds = 50 if options.quick else 150
        self.swaps, self.wrong = [], []
        self.before = self.during = None
        #: Of each reload, as the gateway logs them.
        self.times = []

    def run(self, place):
        self.facts = facts.of_this_run(self.options.tollgate) | {
            "cores": f"gateway on {self.core}, load and origin on {self.load_core}",
            "configurations": f"two of {ROUTES:,} routes and {KEYS:,} keys, half of each in both"}
        self.origin = systems.Origin()
        self.gateway = Gateway(self.options.tollgate, FIRST)
        try:
            self.origin.start(place, place.origin_port, self.load_core)
            self.gateway.start(place, self.options.first_port, self.core)
            write_parts(self.gateway.folder / "second", SECOND, place)
            self.measure(place)
        except (scenarios.Wrong, load.LoadFailed, systems.NotHere, OSError) as why:
            self.wrong.append(str(why))
        finally:
            self.gateway.stop()
            self.origin.stop()

    def measure(self, place):
        self.lines = place.folder / "swap.requests"
        self.lines.write_text("".join(f"{path} {key}\n" for path, key in asked()))
        self.script = place.folder / "swap.lua"
        wanted = self.saturation() * LOAD - TIMED
        pause_ms = self.rehearse(wanted)
        memory = meters.memory_of(self.gateway.process.pid)
        script = load.walk_script(self.script, self.lines, pause_ms)
        with load.Beside(self.url, script, self.seconds + SPARE_SECONDS) as beside:
            self.swaps, offered = self.offer()
            rest = answered_well(beside.stop())
        self.rate = rest.requests / rest.seconds + TIMED
        self.facts["load"] = (f"{self.rate:,.0f} requests/s for {self.seconds} s, {TIMED:,} of them timed,"
                              f" {load.CONNECTIONS} connections for these and as many for the rest")
        report.say(self.facts["load"])
        self.facts["memory"] = (f"{memory / 1024:.0f} MiB before the first swap,"
                                f" {meters.stable_memory_of(self.gateway.process.pid) / 1024:.0f} after the last one")
        scenarios.demand(not offered.refused, f"{offered.refused} answers have another status than 200")
        for one in self.swaps:
            scenarios.demand(one.status == 200, f"the reload was answered with {one.status}: {one.answer}")
        self.times = reload_times(self.gateway.log)
        self.cut(offered)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.gateway.port('http')}/"

    def saturation(self):
        """Requests per second of the keyed scenario when the gateway's core is full, or the load's."""
        script = load.walk_script(self.script, self.lines)
        ask = lambda seconds, first: answered_well(load.wrk(self.url, script, seconds, first))
        # The first use of a key reserves its quota on disk.
        warmed = 0
        while warmed < len(asked()):
            warmed += ask(WARM_SECONDS, warmed).requests
        before = meters.cpu_of(self.gateway.process.pid)
        answered = ask(SATURATION_SECONDS, warmed)
        used = (meters.cpu_of(self.gateway.process.pid) - before).total
        rate = answered.requests / answered.seconds
        self.facts["saturation"] = f"{rate:,.0f} requests/s, {used / answered.seconds:.0%} of the gateway's core"
        return rate

    def rehearse(self, wanted):
        """For how long each connection has to pause, in milliseconds on average, for so many requests a second."""
        cycle_ms = load.CONNECTIONS / wanted * 1000
        pause_ms = cycle_ms
        for _ in range(REHEARSALS):
            script = load.walk_script(self.script, self.lines, pause_ms)
            with load.Beside(self.url, script, REHEARSAL_SECONDS + SPARE_SECONDS) as beside:
                time.sleep(REHEARSAL_SECONDS)
                answered = answered_well(beside.stop())
            rate = answered.requests / answered.seconds
            report.say(f"pauses of {pause_ms:.2f} ms: {rate:,.0f} requests/s of {wanted:,.0f}")
            if abs(rate / wanted - 1) <= NEAR_ENOUGH or pause_ms == 0:
                break
            pause_ms = max(0.0, pause_ms + cycle_ms - load.CONNECTIONS / rate * 1000)
        return pause_ms

    def ask(self, rate, seconds):
        requests = [
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {key}\r\n\r\n".encode() for path, key in asked()]
        port = self.gateway.port("http")
        return openloop.open_loop(lambda: openloop.Http1(port, None), load.CONNECTIONS, requests, rate, seconds)

    def offer(self):
        """The open loop, and the swaps that a second process did meanwhile."""
        until = time.perf_counter() + self.seconds - RELOAD_SECONDS
        here, there = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("fork")
        swapper = context.Process(target=swap_in_turns, args=(self.gateway, (self.core, self.load_core), until, there),
                                  daemon=True)
        swapper.start()
        there.close()
        try:
            offered = self.ask(TIMED, self.seconds)
            swaps = []
            while here.poll(2 * RELOAD_SECONDS) and (one := here.recv()):
                swaps.append(one)
        except EOFError:
            raise load.LoadFailed("a reload was not answered") from None
        finally:
            swapper.terminate()
            swapper.join()
        if not swaps:
            raise load.LoadFailed("no swap was done in time")
        return swaps, offered

    def cut(self, offered):
        """Latencies before and during each swap, and of all that count."""
        before = {one.began: (one.began - BEFORE, one.began) for one in self.swaps}
        during = {one.began: (one.began, one.ended + AFTER) for one in self.swaps}
        self.before_each = [offered.latency(*window) for window in before.values()]
        self.during_each = [offered.latency(*window) for window in during.values()]
        for one, felt in zip(self.swaps, self.during_each):
            one.late_us = felt.late_p99
        self.before = offered.latency_of([before[one.began] for one in self.counted])
        self.during = offered.latency_of([during[one.began] for one in self.counted])

    @property
    def counted(self):
        """The swaps that nobody disturbed, or all where there are none."""
        return [one for one in self.swaps if not is_noisy(one)] or self.swaps

    # What is told of it

    @property
    def ratio(self):
        return self.during.p99 / self.before.p99

    def rows(self):
        cells = lambda its: [f"{its.p50:.0f}", f"{its.p99:.0f}", f"{its.worst:.0f}", f"{its.late_p99:.0f}"]
        each = zip(self.swaps, self.before_each, self.during_each)
        for number, (one, before, during) in enumerate(each, 1):
            mark = "*" if is_noisy(one) else ""
            yield [f"{number}{mark}", f"{(one.ended - one.began) * 1000:.0f}", *cells(before), *cells(during),
                   f"{during.p99 / before.p99:.2f}"]
        took = statistics.median(one.ended - one.began for one in self.counted) * 1000
        yield ["all", f"{took:.0f}", *cells(self.before), *cells(self.during), f"{self.ratio:.2f}"]

    def text(self):
        told = self.facts | {"load average": facts.load_average()}
        parts = [f"# {self.title}\n", report.facts_table(told)]
        if self.during:
            of = lambda when: [f"{name} {when}" for name in ("p50", "p99", "worst", "late p99")]
            parts.append(report.markdown([["swap", "ms", *of("before"), *of("during"), "ratio"], *self.rows()]))
            is_met = self.ratio <= RATIO_ALLOWED
            parts.append(f"Microseconds. p99 during swaps is {self.ratio:.2f} times that before"
                         f" (target ≤ {RATIO_ALLOWED}: {report.verdict(is_met)}).\n")
            parts.append(self.noise_text())
            parts.append(self.waits_text())
            parts.append(self.times_text())
            if self.before.late_p99 > self.before.p99 / 2:
                parts.append("The load generator was late itself before the swaps: these figures say little.\n")
        return "\n".join(parts + [f"wrong: {why}\n" for why in self.wrong])

    def noise_text(self):
        noisy = sum(map(is_noisy, self.swaps))
        allowed = (f"strangers took more than {windows.NOISE_ALLOWED:.0%} of the cores,"
                   f" or the generator was more than {LATE_US_ALLOWED / 1000:.0f} ms late itself")
        if noisy == len(self.swaps):
            return f"All count, although {allowed} in each of them.\n"
        return f"Those marked * do not count: {allowed}.\n" if noisy else f"In none of them {allowed}.\n"

    def waits_text(self):
        mean = lambda name: statistics.mean(getattr(one, name) for one in self.counted)
        return (f"The gateway used {mean('used'):.0%} of its core before. Its worker was ready and waited for the core"
                f" {mean('waited_before'):.1%} of the time before, {mean('waited_during'):.1%} during.\n")

    def times_text(self):
        if not self.times:
            return "This gateway does not log how long a reload took.\n"
        read, whole = (statistics.median(values) for values in zip(*self.times))
        return f"Of a swap's milliseconds, reading took {read:.0f}, compiling and swapping {whole - read:.0f}.\n"

    def as_json(self):
        if not self.during:
            return json.dumps({"facts": self.facts, "wrong": self.wrong}, indent=1) + "\n"
        each = [asdict(one) | {"before": asdict(before), "during": asdict(during)}
                for one, before, during in zip(self.swaps, self.before_each, self.during_each)]
        return json.dumps({"facts": self.facts, "rate": self.rate, "swaps": each, "before": asdict(self.before),
                           "during": asdict(self.during), "ratio": self.ratio,
                           "reload_ms": self.times, "wrong": self.wrong}, indent=1) + "\n"

    def is_right(self):
        return not self.wrong


def is_noisy(swapped):
    return swapped.noise > windows.NOISE_ALLOWED or swapped.late_us > LATE_US_ALLOWED


def answered_well(answered):
    wrong = answered.refused + answered.failed
    scenarios.demand(answered.requests > 0 and not wrong, f"{wrong} of {answered.requests} requests are answered badly")
    return answered


def reload_times(log):
    """What the gateway wrote of its reloads: milliseconds of reading, and of all until requests got the new one."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    return [(int(read), int(whole)) for read, whole in re.findall(r"read_ms=(\d+) whole_ms=(\d+)", text)]


def asked():
    """Paths and keys that are in both configurations."""
    routes, keys = range(ROUTES // 2, ROUTES), range(KEYS // 2, KEYS)
    # The step has no factor in common with the number of keys, so all of them take turns, far apart.
    return [(f"{route_path(routes[turn % len(routes)])}/1", key_value(keys[turn * 7919 % len(keys)]))
            for turn in range(len(keys))]
