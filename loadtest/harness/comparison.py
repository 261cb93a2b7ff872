"""The gateway and its peers on the same work: one table of scenarios and systems."""

import statistics

from . import facts, idle, load, meters, report, scenarios, systems
from .windows import Group, Windows

BASE = "nginx"
#: A round is done again when a system's figure in it is this many times its median.
SPREAD_ALLOWED = 1.3


class Comparison:
    """The gateway and its peers, scenario by scenario."""

    title, kind = "What a request costs", ""

    def __init__(self, options):
        self.options = options
        self.core, self.load_core = options.pin
        self.scenarios = [one for one in scenarios.SCENARIOS if one.letter in options.scenarios]
        #: Those that answer, and all that have to be stopped.
        self.peers, self.started = {}, []
        self.results, self.memory, self.absent = {}, {}, {}
        self.windows = Windows(options.retries)

    # Setting up

    def run(self, place):
        self.place = place
        self.origin = systems.Origin()
        self.started.append(self.origin)
        self.names = list(self.options.systems)
        try:
            self.origin.start(place, place.origin_port, self.load_core)
            for turn, word in enumerate(self.names):
                self.start(word, self.options.first_port + systems.PORT_BLOCK * turn)
            self.names = [word.split("=")[0] for word in self.names]
            self.base = BASE if BASE in self.peers else next(iter(self.peers), None)
            self.facts = self.describe()
            for scenario in self.scenarios:
                self.measure(scenario)
                report.say(report.table([scenario], self.names, self.results, self.base))
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
            report.say(f"{name} takes no part: {why}")
            self.absent[name] = str(why).splitlines()[0].rstrip(":")
            return
        self.peers[name] = system
        self.memory[name] = (meters.memory_of(system.process.pid), None)
        report.say(f"{name} {system.version()} is up")

    # One scenario

    def measure(self, scenario):
        report.say(f"{scenario.letter}: {scenario.title}")
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
        elif system.has_to_prove:
            try:
                scenarios.check(scenario, system, self.origin)
            except (scenarios.Wrong, load.LoadFailed, OSError, scenarios.http.client.HTTPException) as why:
                result.without = f"wrong: {why}"
                report.say(f"  {name}: {result.without}")
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
            self.windows.redone += 1
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
                report.say(f"  {name}: {result.without}")

    def quiet_window(self, scenario, name, number):
        pid, origin = self.peers[name].process.pid, self.origin.process.pid
        groups = [Group((self.core,), (pid,)), Group((self.load_core,), (origin,), with_load=True)]

        def ask():
            answered = self.ask(scenario, name, self.options.seconds)
            scenarios.check_load(scenario, answered)
            return answered

        return self.windows.quiet(number, pid, groups, ask)

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
        for number in range(self.options.latency_rounds):
            turn = number % max(1, len(able))
            for name in able[turn:] + able[:turn]:
                result = self.results[scenario.letter, name]
                if result.without:
                    continue
                try:
                    result.latencies.append(scenario.open_loop(self.peers[name], self.options.latency_seconds))
                except (load.LoadFailed, OSError) as why:
                    report.say(f"  {name}: no latencies at the fixed rate: {why}")

    def measure_idle(self, scenario, name):
        try:
            measured = idle.measure(self.peers[name], scenario.rendered()[0], self.options.starts)
        except (OSError, load.LoadFailed, systems.NotHere) as why:
            self.results[scenario.letter, name].without = f"wrong: {why}"
        else:
            self.results[scenario.letter, name].idle = measured

    # What is told of it

    def describe(self):
        return facts.of_this_run(self.options.tollgate) | {
            "versions": ", ".join(f"{name} {system.version()}" for name, system in self.peers.items()),
            "rounds": f"{self.options.rounds} of {self.options.seconds} s, {load.CONNECTIONS} connections",
            "cores": f"systems on {self.core}, load and origin on {self.load_core}",
            "open loop": f"{self.options.latency_rounds} of {self.options.latency_seconds} s; requests/s: "
                         + ", ".join(f"{one.letter} {one.rate}" for one in self.scenarios if one.letter != "i"),
        }

    def text(self):
        told = self.facts | {"windows done again": self.windows.redone, "load average": facts.load_average()}
        return "\n".join([
            f"# {self.title}\n", report.facts_table(told),
            report.table(self.scenarios, self.names, self.results, self.base), report.memory_table(self.memory)])

    def as_json(self):
        return report.as_json(self.facts, self.scenarios, self.names, self.results, self.memory, self.base)

    def is_right(self):
        """Whether the gateway answered every scenario as it should; a target missed is a figure, not a fault."""
        ours = [name for name, system in self.peers.items() if isinstance(system, systems.Tollgate)]
        return not any(self.results[one.letter, name].without for one in self.scenarios for name in ours)
