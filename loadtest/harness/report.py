"""Rounds become figures, and figures tables."""

import json
import statistics
from dataclasses import asdict, dataclass, field


@dataclass
class Round:
    """One window of one system: seconds of CPU time, and how much of the time others took."""

    number: int
    requests: int
    seconds: float
    user: float
    system: float
    noise: float
    is_noisy: bool

    @property
    def us(self):
        return (self.user + self.system) / self.requests * 1e6

    @property
    def load(self):
        """How much of its core the system used."""
        return (self.user + self.system) / self.seconds


@dataclass
class Result:
    """What is known of one system in one scenario."""

    rounds: list = field(default_factory=list)
    latencies: list = field(default_factory=list)
    #: `idle.Idle`
    idle: object = None
    #: Why there is no figure.
    without: str = ""

    def figures(self, base):
        own = {one.number: one for one in self.rounds}
        others = {one.number: one for one in base.rounds} if base else {}
        ratios = sorted(one.us / others[number].us for number, one in own.items() if number in others)
        middle = statistics.median
        return {
            "us": middle(one.us for one in self.rounds),
            "user_us": middle(one.user / one.requests * 1e6 for one in self.rounds),
            "system_us": middle(one.system / one.requests * 1e6 for one in self.rounds),
            "ratio": middle(ratios) if ratios else None,
            "ratio_low": ratios[0] if ratios else None,
            "ratio_high": ratios[-1] if ratios else None,
            "requests_per_second": middle(one.requests / one.seconds for one in self.rounds),
            "core_used": middle(one.load for one in self.rounds),
            "p50_us": middle(one.p50 for one in self.latencies) if self.latencies else None,
            "p99_us": quiet(one.p99 for one in self.latencies) if self.latencies else None,
            "p99_worse": worse(self.latencies, base.latencies) if base and base is not self else None,
            "p99_median_us": middle(one.p99 for one in self.latencies) if self.latencies else None,
            "late_p99_us": middle(one.late_p99 for one in self.latencies) if self.latencies else None,
            "rounds": len(self.rounds),
            "noisy_rounds": sum(one.is_noisy for one in self.rounds),
        }


def quiet(values):
    """The lower quartile: one preemption of a few milliseconds is all that a p99 shows of a window."""
    values = sorted(values)
    return values[(len(values) - 1) // 4]


def worse(latencies, base):
    """In how many of the windows that were taken side by side p99 was longer than the base's, and how many they are."""
    longer = [one.p99 > other.p99 for one, other in zip(latencies, base)]
    return (sum(longer), len(longer)) if longer else None


HEAD = ["scenario", "system", "CPU µs", "user", "sys", "ratio to {base}", "range", "req/s", "core", "p50 µs", "p99 µs",
        "p99 worse", "notes"]


TEXT_COLUMNS = {"scenario", "arrangement", "system", "notes", "", "of this run", "memory, MiB", "target"}


def say(text):
    print(text, flush=True)


def table(scenarios, systems, results, base):
    rows = [[cell.format(base=base) for cell in HEAD]]
    for scenario in scenarios:
        title = f"{scenario.letter} {scenario.title}"
        for system in systems:
            result = results[scenario.letter, system]
            rows.append([title, system] + cells(result, results.get((scenario.letter, base))))
            title = ""
    return markdown(rows)


def cells(result, base):
    if result.without:
        return nothing(result.without)
    if result.idle:
        ratio = f"{result.idle.kib / base.idle.kib:.2f}" if base and base.idle and base.idle.kib > 0 else ""
        return ["", "", "", ratio] + [""] * (len(HEAD) - 7) + [result.idle.text]
    if not result.rounds:
        return nothing("not measured")
    its = result.figures(base)
    number = lambda value, form: "–" if value is None else format(value, form)
    spread = "–" if its["ratio"] is None else f"{its['ratio_low']:.2f}–{its['ratio_high']:.2f}"
    longer = "–" if its["p99_worse"] is None else "{} of {}".format(*its["p99_worse"])
    noisy = f", {its['noisy_rounds']} noisy" if its["noisy_rounds"] else ""
    return [
        f"{its['us']:.1f}", f"{its['user_us']:.1f}", f"{its['system_us']:.1f}", number(its["ratio"], ".2f"), spread,
        f"{its['requests_per_second']:,.0f}", f"{its['core_used']:.0%}", number(its["p50_us"], ".0f"),
        number(its["p99_us"], ".0f"), longer, f"{its['rounds']} rounds{noisy}",
    ]


def nothing(why):
    """Cells of a row without figures."""
    return ["–"] + [""] * (len(HEAD) - 4) + [why]


def markdown(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    is_text = [name in TEXT_COLUMNS for name in rows[0]]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) if text else cell.rjust(width) for cell, width, text in zip(row, widths, is_text)]
        lines.append("| " + " | ".join(padded) + " |")
    rule = ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, is_text)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines) + "\n"


def memory_table(memory):
    rows = [["memory, MiB", "after the start, 10,000 keys loaded", "after the load"]]
    for system, (fresh, loaded) in memory.items():
        rows.append([system, f"{fresh / 1024:.1f}", "–" if loaded is None else f"{loaded / 1024:.1f}"])
    return markdown(rows)


def facts_table(facts):
    return markdown([["", "of this run"]] + [[name, str(value)] for name, value in facts.items()])


def spread(values, form=".2f"):
    """The median of some values and their range."""
    return f"{format(statistics.median(values), form)} ({format(min(values), form)}–{format(max(values), form)})"


def verdict(holds):
    return "met" if holds else "MISSED"


def as_json(facts, scenarios, systems, results, memory, base):
    measured = []
    for scenario in scenarios:
        for system in systems:
            result = results[scenario.letter, system]
            base_result = results.get((scenario.letter, base))
            measured.append({
                "scenario": scenario.letter, "title": scenario.title, "system": system, "without": result.without,
                "idle_kib": result.idle.kib if result.idle else None,
                "each_idle": [asdict(one) for one in result.idle.each] if result.idle else [],
                **(result.figures(base_result) if result.rounds else {}),
                "each_round": [asdict(one) for one in result.rounds],
                "each_latency": [asdict(one) for one in result.latencies],
            })
    memory = {name: {"fresh_kib": fresh, "loaded_kib": loaded} for name, (fresh, loaded) in memory.items()}
    return json.dumps({"facts": facts, "base": base, "measured": measured, "memory": memory}, indent=1) + "\n"
