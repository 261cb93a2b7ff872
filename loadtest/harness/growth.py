"""Whether a request costs more when the configuration or the cache is large: the gateway beside itself.

Each pair is a small and a large gateway that run at the same time on the same core; rounds are interleaved. The load
generator walks through as many rendered requests for the small one as for the large one, in a shuffled order, so that
its own work and what it takes of the processor's caches is the same: only what the requests name differs.
"""

import json
import random
import statistics
from dataclasses import asdict, dataclass, field

from . import facts, load, meters, report, scenarios, systems
from .gateway import Gateway, Shape, key_value, route_path
from .windows import Group, Windows

#: The large one's cost may be this many times the small one's.
RATIO_ALLOWED = 1.10
#: The warm-up asks for everything at least this many times.
WARM_TIMES = 1.05
WARM_SECONDS = 5


@dataclass(frozen=True)
class Pair:
    title: str
    #: What there is more of, in the singular.
    unit: str
    small: Shape
    large: Shape
    #: Cached entries that are asked for, small and large; routes with keys are asked for where there are none.
    entries: tuple = (0, 0)

    @property
    def sizes(self):
        if self.entries[1]:
            return self.entries
        return (getattr(self.small, self.unit + "s"), getattr(self.large, self.unit + "s"))

    @property
    def lines(self):
        """Requests that the generator walks through."""
        return max(self.large.routes, self.large.keys, self.entries[1])


PAIRS = [
    Pair("b: routes, keys of 10,000", "route", Shape(10, 10_000), Shape(10_000, 10_000)),
    Pair("b: keys", "key", Shape(10, 10), Shape(10, 1_000_000)),
    Pair("c: cached entries", "entry", Shape(10, 10), Shape(10, 10), entries=(1, 10_000)),
]


def request_lines(pair, shape, entries):
    """`PATH KEY` lines, each thing in its turn, all in a shuffled order that is the same in each run."""
    numbers = list(range(pair.lines))
    random.Random(1).shuffle(numbers)
    if entries:
        return (f"/cached/{number % entries}\n" for number in numbers)
    others = list(range(pair.lines))
    random.Random(2).shuffle(others)
    ask = lambda route, key: f"{route_path(route % shape.routes)}/{key % 10} {key_value(key % shape.keys)}\n"
    return (ask(route, key) for route, key in zip(others, numbers))


class Side:
    """One gateway of a pair, and what was measured of it."""

    def __init__(self, gateway, script, entries):
        self.gateway, self.script, self.entries = gateway, script, entries
        self.rounds = []
        #: Requests so far: where the generator goes on.
        self.asked = 0
        self.fresh_kib = self.used_kib = self.warm_seconds = None

    def ask(self, seconds):
        answered = load.wrk(f"http://127.0.0.1:{self.gateway.port('http')}/", self.script, seconds, self.asked)
        self.asked += answered.requests
        scenarios.demand(answered.requests > 0, "no answers under load")
        scenarios.demand(not answered.failed, f"{answered.failed} requests without an answer under load")
        scenarios.demand(not answered.refused, f"{answered.refused} of {answered.requests} answers have a bad status")
        return answered

    def warm_up(self, requests):
        """Asks for everything once and more. The first use of a key reserves its quota on disk."""
        self.warm_seconds = 0.0
        while self.asked < requests:
            self.warm_seconds += self.ask(WARM_SECONDS).seconds

    def stop(self):
        self.gateway.stop()


@dataclass
class Grown:
    """What is known of one pair, small side first."""

    pair: Pair
    rounds: list
    fresh_kib: list
    used_kib: list
    start_seconds: list
    warm_seconds: list
    ratios: list = field(init=False)

    def __post_init__(self):
        small = {one.number: one.us for one in self.rounds[0]}
        self.ratios = [one.us / small[one.number] for one in self.rounds[1] if one.number in small]

    @property
    def is_met(self):
        return statistics.median(self.ratios) <= RATIO_ALLOWED

    @property
    def more(self):
        return self.pair.sizes[1] - self.pair.sizes[0]

    def each_bytes(self, kib):
        return (kib[1] - kib[0]) * 1024 / self.more

    def row(self):
        us = [statistics.median(one.us for one in rounds) for rounds in self.rounds]
        core = [statistics.median(one.load for one in rounds) for rounds in self.rounds]
        noisy = sum(one.is_noisy for rounds in self.rounds for one in rounds)
        small, large = (f"{size:,}" for size in self.pair.sizes)
        return [
            self.pair.title, f"{small} / {large}", f"{us[0]:.1f} / {us[1]:.1f}", f"{core[0]:.0%} / {core[1]:.0%}",
            report.spread(self.ratios), f"≤ {RATIO_ALLOWED:.2f} {report.verdict(self.is_met)}",
            f"{len(self.ratios)} rounds" + (f", {noisy} noisy windows" if noisy else "")]

    def memory_row(self):
        fresh, used = ([f"{kib / 1024:.1f}" for kib in both] for both in (self.fresh_kib, self.used_kib))
        starts = [f"{seconds:.2f}" for seconds in self.start_seconds]
        return [
            self.pair.title, " / ".join(starts), " / ".join(fresh), " / ".join(used),
            "–" if self.pair.entries[1] else f"{self.each_bytes(self.fresh_kib):,.0f}",
            f"{self.each_bytes(self.used_kib):,.0f}",
            f"{self.warm_seconds[1]:.0f}"]


HEAD = ["scenario", "small / large", "CPU µs", "core", "ratio (range)", "target", "notes"]
MEMORY_HEAD = ["scenario", "start, s", "MiB after the start", "MiB after use", "bytes each, fresh", "bytes each, used",
               "first use of all, s"]


class Growth:
    title, kind = "What a request costs in a large configuration", "-growth"

    def __init__(self, options):
        self.options = options
        self.core, self.load_core = options.pin
        self.windows = Windows(options.retries)
        self.grown, self.wrong = [], []

    def run(self, place):
        self.place = place
        self.facts = facts.of_this_run(self.options.tollgate) | {
            "rounds": f"{self.options.rounds} of {self.options.seconds} s, {load.CONNECTIONS} connections",
            "cores": f"both gateways on {self.core}, load and origin on {self.load_core}"}
        self.origin = systems.Origin()
        try:
            self.origin.start(place, place.origin_port, self.load_core)
            for pair in PAIRS:
                self.measure_pair(pair)
        finally:
            self.origin.stop()

    def measure_pair(self, pair):
        report.say(pair.title)
        sides = []
        try:
            for turn, shape in enumerate((pair.small, pair.large)):
                sides.append(self.side(pair, shape, turn))
            for side in sides:
                side.warm_up(pair.lines * WARM_TIMES)
            self.measure_rounds(pair, sides)
            for side in sides:
                side.used_kib = meters.stable_memory_of(side.gateway.process.pid)
            self.keep(pair, sides)
        except (scenarios.Wrong, load.LoadFailed, systems.NotHere) as why:
            self.wrong.append(f"{pair.title}: {why}")
            report.say(f"  wrong: {why}")
        finally:
            for side in sides:
                side.stop()

    def side(self, pair, shape, turn):
        name = ("small", "large")[turn]
        lines = self.place.folder / f"{name}.requests"
        with open(lines, "w") as sink:
            sink.writelines(request_lines(pair, shape, pair.entries[turn]))
        script = load.walk_script(self.place.folder / f"{name}.lua", lines)
        gateway = Gateway(self.options.tollgate, shape, name=name)
        side = Side(gateway, script, pair.entries[turn])
        try:
            gateway.start(self.place, self.options.first_port + systems.PORT_BLOCK * turn, self.core)
            side.fresh_kib = meters.stable_memory_of(gateway.process.pid)
        except BaseException:
            gateway.stop()
            raise
        report.say(f"  {name}: {shape.routes:,} routes, {shape.keys:,} keys, up after {gateway.start_seconds:.2f} s")
        return side

    def measure_rounds(self, pair, sides):
        """Each round has both, in turns the one or the other first; what reaches the origin is counted over all."""
        reached, asked = self.origin.count(), sum(side.asked for side in sides)
        for number in range(self.options.rounds):
            for side in sides if number % 2 else reversed(sides):
                side.rounds.append(self.window(side, number))
        reached, asked = self.origin.count() - reached - 1, sum(side.asked for side in sides) - asked
        if pair.entries[1]:
            scenarios.demand(reached == 0, f"{reached} of {asked} requests reached the origin, and all should be hits")
        else:
            scenarios.demand(reached >= asked, f"only {reached} of {asked} requests reached the origin")

    def window(self, side, number):
        pid, origin = side.gateway.process.pid, self.origin.process.pid
        groups = [Group((self.core,), (pid,)), Group((self.load_core,), (origin,), with_load=True)]
        return self.windows.quiet(number, pid, groups, lambda: side.ask(self.options.seconds))

    def keep(self, pair, sides):
        both = lambda name: [getattr(side, name) for side in sides]
        starts = [side.gateway.start_seconds for side in sides]
        self.grown.append(Grown(
            pair, both("rounds"), both("fresh_kib"), both("used_kib"), starts, both("warm_seconds")))
        report.say(report.markdown([HEAD, self.grown[-1].row()]))

    # What is told of it

    def text(self):
        told = self.facts | {"windows done again": self.windows.redone, "load average": facts.load_average()}
        parts = [f"# {self.title}\n", report.facts_table(told)]
        if self.grown:
            parts.append(report.markdown([HEAD] + [one.row() for one in self.grown]))
            parts.append(report.markdown([MEMORY_HEAD] + [one.memory_row() for one in self.grown]))
        return "\n".join(parts + [f"wrong: {why}\n" for why in self.wrong])

    def as_json(self):
        each = [asdict(one) | {
            "ratio": statistics.median(one.ratios), "is_met": one.is_met,
            "bytes_each_fresh": one.each_bytes(one.fresh_kib), "bytes_each_used": one.each_bytes(one.used_kib),
        } for one in self.grown]
        return json.dumps({"facts": self.facts, "pairs": each, "wrong": self.wrong}, indent=1) + "\n"

    def is_right(self):
        return not self.wrong
