"""What is measured meanwhile, and the verdict."""

import csv
import itertools
import os
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path

#: Growth over the second half that is taken for none, in KiB an hour.
SLOPE_MAX_KIB = 4096


@dataclass
class Sample:
    seconds: int
    rss_kib: int
    private_kib: int
    threads: int
    files: int
    connections: int
    requests: int
    #: Answers of 5xx, wanted ones too: back ends with bad moods are among them.
    failures: int
    cache_kib: int
    log_dropped: int
    reloads: int
    wrong: int


class Tally:
    """What happened, and what should not have."""

    def __init__(self):
        self.counts, self.wrongs = Counter(), Counter()

    def count(self, what, number=1):
        self.counts[what] += number

    def wrong(self, what, number=1):
        self.wrongs[what] += number


def take(gateway, began, tally):
    pid = gateway.process.pid
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    metrics = gateway.metrics()
    number = lambda name: int(metrics.get(name, 0))
    return Sample(
        seconds=round(time.monotonic() - began),
        rss_kib=int(status["VmRSS"].split()[0]),
        private_kib=int(status["RssAnon"].split()[0]),
        threads=int(status["Threads"]),
        files=len(os.listdir(f"/proc/{pid}/fd")),
        connections=number("tollgate_connections"),
        requests=number("tollgate_requests_total"),
        failures=sum(number(status) for status in ("500", "502", "503", "504")),
        cache_kib=number("tollgate_cache_bytes") // 1024,
        log_dropped=number("tollgate_access_log_dropped_total"),
        reloads=number("tollgate_config_reloads_total"),
        wrong=sum(tally.wrongs.values()),
    )


class Record:
    """Samples in memory and, as they come, in a file."""

    def __init__(self, file):
        self.samples, self.file = [], file
        self.writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        self.writer.writeheader()

    def add(self, sample):
        self.samples.append(sample)
        self.writer.writerow(asdict(sample))
        self.file.flush()

    def slope_kib(self):
        """Growth of resident memory over the second half, in KiB an hour: the median of the slopes between the lowest samples
        of each five minutes (Theil and Sen). A reload moves memory by some megabytes for a while, so only the floor tells."""
        half = self.samples[len(self.samples) // 2 :]
        floors = [min(five, key=lambda s: s.rss_kib) for five in batched(half, 30)]
        slopes = [(b.rss_kib - a.rss_kib) / (b.seconds - a.seconds) for a, b in itertools.combinations(floors, 2)]
        return 3600 * statistics.median(slopes) if slopes else 0.0


def batched(samples, count):
    return [samples[at : at + count] for at in range(0, len(samples) - count + 1, count)]


def report(record, before, after, code, tally, log_lines):
    """Markdown, and whether all is well."""
    load = record.samples
    quarter = max(len(load) // 4, 1)
    mean = lambda part: sum(s.rss_kib for s in part) / len(part) / 1024
    slope, faults = record.slope_kib(), []
    if load[-1].seconds >= 1800 and slope > SLOPE_MAX_KIB:
        faults.append(f"memory grows by {slope:.0f} KiB an hour")
    if after.connections or after.files > before.files + 8:
        faults.append(f"{after.connections} connections and {after.files} files are left, {before.files} before")
    if after.threads > load[0].threads:
        faults.append(f"{after.threads} threads are left")
    if code != 0:
        faults.append(f"exit code {code}")
    faults += [f"{number} × {what}" for what, number in tally.wrongs.most_common()]
    lines = [
        f"| | before | first quarter | second | third | last | after |", "|---|---|---|---|---|---|---|",
        f"| resident, MiB | {before.rss_kib / 1024:.1f} | "
        + " | ".join(f"{mean(load[i * quarter : (i + 1) * quarter] or load[-1:]):.1f}" for i in range(4))
        + f" | {after.rss_kib / 1024:.1f} |",
        f"| threads | {before.threads} |  |  |  | {load[-1].threads} | {after.threads} |",
        f"| open files | {before.files} |  |  |  | {load[-1].files} | {after.files} |",
        f"| connections | {before.connections} |  |  |  | {load[-1].connections} | {after.connections} |",
        "",
        f"{load[-1].seconds / 60:.0f} minutes, {after.requests:,} requests, {after.failures:,} of them 5xx, "
        f"{after.reloads} reloads, {log_lines:,} lines of access log, {after.log_dropped} dropped.",
        f"Slope of resident memory over the second half: {slope:+.0f} KiB an hour.",
        "", "Faults: " + ("none" if not faults else "; ".join(faults)), "",
        "| what clients saw | times |", "|---|---|",
        *(f"| {what} | {number:,} |" for what, number in sorted(tally.counts.items())),
    ]
    return "\n".join(lines) + "\n", not faults
