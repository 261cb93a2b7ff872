#!/usr/bin/env python3
"""A long run with everything on: does memory stay, does anything leak, is any honest request ever refused?

    loadtest/soak.py [--minutes 60] [--tollgate target/dist/tollgate] [--scale 1] [--first-port 18300]

About 1,100 honest requests a second at --scale 1, beside some 100 clients that break off, dawdle or mean harm; a reload each
30 s (every tenth with a fault), a new certificate each two minutes, the log rotated each minute, tags purged each 5 s. Wants
h2load (Debian's nghttp2-client) and openssl. Samples go to loadtest/results/soak-DATE.csv, the table to soak-DATE.md. The
exit status is 1 when anything was wrong. Everything is on loopback and ends by itself.
"""

import argparse
import asyncio
import datetime
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.soak import honest, mischief, origin, watch  # noqa: E402
from harness.soak.gateway import Gateway  # noqa: E402

HERE = Path(__file__).parent


async def each(seconds, deadline, deed):
    """`deed(n)` for n = 1, 2, … in a thread of its own, each `seconds`."""
    loop = asyncio.get_running_loop()
    began, n = loop.time(), 0
    while (due := began + (n + 1) * seconds) < deadline:
        await asyncio.sleep(max(due - loop.time(), 0))
        n += 1
        await asyncio.to_thread(deed, n)


class Soak:
    def __init__(self, arguments, folder, record):
        self.gateway = Gateway(arguments.tollgate.resolve(), folder, arguments.first_port)
        self.arguments, self.record, self.tally = arguments, record, watch.Tally()
        self.log_lines = 0

    async def run(self):
        """The samples before and after, and the exit code."""
        back_end = await origin.serve(self.gateway.ports["moody"])
        await asyncio.to_thread(self.gateway.start)
        try:
            self.began = time.monotonic()
            before = await asyncio.to_thread(self.sample)
            await self.load()
            after = await self.settle(before)
            self.log_lines += await asyncio.to_thread(self.gateway.rotate_log)
            code = await asyncio.to_thread(self.gateway.stop)
            return before, after, code
        finally:
            self.gateway.end()
            back_end.close()

    async def load(self):
        deadline = asyncio.get_running_loop().time() + 60 * self.arguments.minutes
        tasks = [
            honest.keep_asking(name, arguments, self.tally, deadline)
            for name, arguments in honest.streams(self.gateway, self.arguments.scale).items()]
        for deed, rate, count in mischief.Mischief(self.gateway, self.tally).all():
            tasks += [mischief.keep_doing(deed, rate / count, self.tally, deadline) for _ in range(count)]
        tasks += [each(30, deadline, self.reload), each(120, deadline, lambda _: self.gateway.renew_certificate()),
                  each(60, deadline, self.rotate), each(5, deadline, self.purge), each(10, deadline, self.note)]
        await asyncio.gather(*tasks)

    async def settle(self, before):
        """The first sample with no connection but its own, after half a minute at most."""
        for _ in range(30):
            await asyncio.sleep(1)
            after = await asyncio.to_thread(self.sample)
            if after.connections == 0 and after.files <= before.files + 8:
                break
        return after

    def sample(self):
        return watch.take(self.gateway, self.began, self.tally)

    def note(self, n):
        if self.gateway.process.poll() is not None:
            self.tally.wrong("the gateway has died")
            return
        sample = self.sample()
        self.record.add(sample)
        if n % 6 == 0:
            print(f"{n // 6:3} min: {sample.rss_kib / 1024:.1f} MiB, {sample.files} files, {sample.connections} connections, "
                  f"{sample.requests:,} requests, {sample.wrong} wrong", flush=True)

    def reload(self, n):
        is_broken = n % 10 == 0
        self.gateway.write(n, is_broken)
        status, text = self.gateway.admin("POST", "/v1/reload")
        if (status == 200) == is_broken:
            self.tally.wrong(f"reload: {status} {text[:200]}")

    def rotate(self, _):
        self.log_lines += self.gateway.rotate_log()

    def purge(self, n):
        words = {"stage": "soak/prod", "tag": f"t{n % 7}"} if n % 12 else {"stage": "soak/prod", "all": True}
        status, text = self.gateway.admin("POST", "/v1/cache/purge", words)
        if status != 200:
            self.tally.wrong(f"purge: {status} {text[:200]}")


def main():
    parser = argparse.ArgumentParser(description="a long run with everything on")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--tollgate", type=Path, default=HERE.parent / "target/dist/tollgate")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--first-port", type=int, default=18300)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where samples and table are kept")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    arguments = parser.parse_args()
    results = arguments.results / f"soak-{datetime.datetime.now():%Y-%m-%dT%H%M}"
    results.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="tollgate-soak-")
    try:
        with open(f"{results}.csv", "w", newline="") as file:
            soak = Soak(arguments, folder, watch.Record(file))
            before, after, code = asyncio.run(soak.run())
        text, is_well = watch.report(soak.record, before, after, code, soak.tally, soak.log_lines)
        Path(f"{results}.md").write_text(text)
        print(text)
        sys.exit(0 if is_well else 1)
    finally:
        if arguments.keep:
            print(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
