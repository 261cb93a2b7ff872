"""What a second thread brings, on a machine that has two cores in all.

The load needs a core too, so two threads at full speed cannot be seen here: their throughput is derived from what a
request costs. Measured is the CPU time per request at saturation, in three arrangements that take turns:

    apart     one thread on the first core; load and origin on the second
    together  one thread; gateway, load and origin share both cores
    two       two threads; gateway, load and origin share both cores

A core that does nothing else serves 1 / (CPU per request) a second, so two of them serve 2 / (CPU per request with two
threads). What two threads cost each other (locks, cache lines that travel, one pool instead of two) is in that figure,
because they run at the same time and are both busy. What sharing a core with the load costs is in it too, and not in
`apart`; `together` shows how much that is.
"""

import json
import statistics
from dataclasses import asdict, dataclass, field

from . import facts, load, meters, report, scenarios, systems
from .gateway import Gateway, Shape, key_value, route_path
from .windows import Group, Windows

#: Two cores should bring this many times the throughput of one.
SPEEDUP_WANTED = 1.8
#: As in (b) of the comparison.
KEYS = 10_000
WARM_SECONDS = 2


@dataclass(frozen=True)
class Arrangement:
    name: str
    threads: int
    is_sharing: bool


ARRANGEMENTS = [Arrangement("apart", 1, False), Arrangement("together", 1, True), Arrangement("two", 2, True)]

WORKS = {
    "b": ("b: key of 10,000, bucket, quota", [f"{route_path(0)}/1 {key_value(key)}\n" for key in range(KEYS)]),
    "c": ("c: cached hit, 1 KiB", ["/cached/0\n"]),
}


@dataclass
class Measured:
    """One arrangement on one work."""

    rounds: list = field(default_factory=list)
    #: In each round, how much of the workers' time the busier one had.
    shares: list = field(default_factory=list)

    @property
    def us(self):
        return statistics.median(one.us for one in self.rounds)


class Cores:
    title, kind = "What a second thread brings", "-cores"

    def __init__(self, options):
        self.options = options
        self.windows = Windows(options.retries)
        self.gateways, self.wrong = {}, []
        self.measured = {(letter, one.name): Measured() for letter in WORKS for one in ARRANGEMENTS}

    def run(self, place):
        self.place = place
        core, load_core = self.options.pin
        self.facts = facts.of_this_run(self.options.tollgate) | {
            "rounds": f"{self.options.rounds} of {self.options.seconds} s, {load.CONNECTIONS} connections",
            "cores": f"apart: gateway on {core}, load and origin on {load_core}; else all on both"}
        self.origin = systems.Origin()
        try:
            self.origin.start(place, place.origin_port, load_core)
            for turn, one in enumerate(ARRANGEMENTS):
                self.start(one, self.options.first_port + systems.PORT_BLOCK * turn)
            for letter in WORKS:
                self.measure(letter)
        except (scenarios.Wrong, load.LoadFailed, systems.NotHere) as why:
            self.wrong.append(str(why))
        finally:
            for system in (*self.gateways.values(), self.origin):
                system.stop()

    def start(self, one, first_port):
        gateway = Gateway(self.options.tollgate, Shape(10, KEYS), one.threads, one.name)
        self.gateways[one.name] = gateway
        gateway.start(self.place, first_port, *self.cores(one))

    def cores(self, one):
        return self.options.pin if one.is_sharing else self.options.pin[:1]

    def measure(self, letter):
        title, lines = WORKS[letter]
        report.say(title)
        requests = self.place.folder / f"{letter}.requests"
        requests.write_text("".join(lines))
        self.script = load.walk_script(self.place.folder / f"{letter}.lua", requests)
        for one in ARRANGEMENTS:
            self.arrange(one)
            self.ask(one, WARM_SECONDS)
        for number in range(self.options.rounds):
            turn = number % len(ARRANGEMENTS)
            for one in ARRANGEMENTS[turn:] + ARRANGEMENTS[:turn]:
                self.measure_round(letter, one, number)
        report.say(report.markdown([HEAD] + self.rows(letter)))

    def arrange(self, one):
        """Load and origin move to where the arrangement has them; children of this process are born there."""
        meters.pin(0, self.options.pin if one.is_sharing else self.options.pin[1:])
        for pid in meters.family(self.origin.process.pid):
            meters.pin(pid, self.options.pin if one.is_sharing else self.options.pin[1:])

    def measure_round(self, letter, one, number):
        self.arrange(one)
        measured, pid = self.measured[letter, one.name], self.gateways[one.name].process.pid
        shares = []

        def ask():
            before = workers_of(pid)
            answered = self.ask(one, self.options.seconds)
            used = [seconds - before.get(name, 0) for name, seconds in workers_of(pid).items()]
            shares.append(max(used) / sum(used))
            return answered

        measured.rounds.append(self.windows.quiet(number, pid, self.groups(one, pid), ask))
        measured.shares.append(statistics.median(shares))

    def groups(self, one, pid):
        origin = self.origin.process.pid
        if one.is_sharing:
            return [Group(self.options.pin, (pid, origin), with_load=True)]
        core, load_core = self.options.pin
        return [Group((core,), (pid,)), Group((load_core,), (origin,), with_load=True)]

    def ask(self, one, seconds):
        answered = load.wrk(f"http://127.0.0.1:{self.gateways[one.name].port('http')}/", self.script, seconds)
        scenarios.demand(answered.requests > 0, "no answers under load")
        scenarios.demand(not answered.failed, f"{answered.failed} requests without an answer under load")
        scenarios.demand(not answered.refused, f"{answered.refused} of {answered.requests} answers have a bad status")
        return answered

    # What is told of it

    def speedups(self, letter, base):
        """Of each round: what two cores serve, against what one does in the arrangement `base`."""
        one = {its.number: its.us for its in self.measured[letter, base].rounds}
        return [2 * one[its.number] / its.us for its in self.measured[letter, "two"].rounds if its.number in one]

    def is_met(self, letter):
        return statistics.median(self.speedups(letter, "apart")) >= SPEEDUP_WANTED

    def rows(self, letter):
        rows, title = [], WORKS[letter][0]
        for one in ARRANGEMENTS:
            its = self.measured[letter, one.name]
            if not its.rounds:
                continue
            seen = statistics.median(each.requests / each.seconds for each in its.rounds)
            core = statistics.median(each.load for each in its.rounds)
            noisy = sum(each.is_noisy for each in its.rounds)
            rows.append([
                title, one.name, str(one.threads), f"{its.us:.1f}", f"{core:.0%}", f"{seen:,.0f}",
                f"{one.threads * 1e6 / its.us:,.0f}", f"{statistics.median(its.shares):.0%}",
                f"{len(its.rounds)} rounds" + (f", {noisy} noisy" if noisy else "")])
            title = ""
        return rows

    def verdicts(self):
        for letter in WORKS:
            if not self.measured[letter, "two"].rounds:
                continue
            apart, together = (report.spread(self.speedups(letter, base)) for base in ("apart", "together"))
            yield (f"{letter}: two cores serve {apart} times what one does apart from the load"
                   f" (target ≥ {SPEEDUP_WANTED}: {report.verdict(self.is_met(letter))}),"
                   f" {together} times what one does that shares its core.\n")

    def text(self):
        told = self.facts | {"windows done again": self.windows.redone, "load average": facts.load_average()}
        table = report.markdown([HEAD] + [row for letter in WORKS for row in self.rows(letter)])
        return "\n".join([f"# {self.title}\n", report.facts_table(told), table, *self.verdicts(),
                          *(f"wrong: {why}\n" for why in self.wrong)])

    def as_json(self):
        each = [{"scenario": letter, "arrangement": name, **asdict(its)} for (letter, name), its in self.measured.items()]
        speedups = {letter: {base: self.speedups(letter, base) for base in ("apart", "together")} for letter in WORKS}
        return json.dumps(
            {"facts": self.facts, "measured": each, "speedups": speedups, "wrong": self.wrong}, indent=1) + "\n"

    def is_right(self):
        return not self.wrong


HEAD = ["scenario", "arrangement", "threads", "CPU µs", "cores used", "req/s seen", "req/s derived", "busier thread",
        "notes"]


def workers_of(pid):
    return {name: seconds for name, seconds in meters.threads_of(pid).items() if name.startswith("worker-")}
