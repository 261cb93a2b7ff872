#!/usr/bin/env python3
"""What good clients notice of bad ones: latency at a fixed rate, without and with each attack beside.

    loadtest/attack.py [--seconds 10] [--tollgate target/dist/tollgate] [--attacks none,idle] [--rate 500]

The gateway has one thread on core 0; the good clients, the attackers and the back end share core 1. Wants openssl. The table is
printed and kept in loadtest/results/attack-DATE.md. The exit status is 1 when a good client got anything but its answer.
Everything is on loopback, bounded in number and rate, and ends by itself.
"""

import argparse
import asyncio
import datetime
import os
import random
import resource
import sys
import tempfile
from multiprocessing import Pipe, Process
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness import meters, openloop  # noqa: E402
from harness.soak.gateway import KEY, Gateway  # noqa: E402
from harness.soak.mischief import MALFORMED, Client  # noqa: E402

HERE = Path(__file__).parent
GOOD_CONNECTIONS = 32
BLOCK = openloop.hpack_block("/fixed")


class Attack:
    """Each is an endless coroutine of one attacker; `hold` ones keep a connection, the others repeat a deed."""

    def __init__(self, ports):
        self.http, self.tls = ports["http"], ports["tls"]

    async def trickle(self, opening, piece, pause):
        client = await Client.open(self.http)
        client.send(opening)
        while not client.reader.at_eof():
            client.send(piece)
            await asyncio.sleep(pause)
        client.reset()

    async def slow_head(self):
        await self.trickle(b"GET /fixed HTTP/1.1\r\nHost: a\r\nX: ", b"y", 0.5)

    async def slow_body(self):
        await self.trickle(b"POST /demo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"y" * 10, 0.5)

    async def idle(self):
        await self.trickle(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n", b"", 1)

    async def never_reads(self):
        client = await Client.open(self.http)
        client.writer.transport.pause_reading()
        client.send(b"GET /demo/bytes/20000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            await asyncio.sleep(60)
        finally:
            client.reset()

    async def connects(self):
        (await Client.open(self.http)).reset()

    async def begins_tls(self):
        client = await Client.open(self.tls)
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200))
        await asyncio.sleep(0.01)
        client.reset()

    async def malformed(self):
        client = await Client.open(self.http)
        client.send(random.choice(MALFORMED))
        await client.status()
        client.reset()

    async def large_heads(self):
        client = await Client.open(self.http)
        client.send(b"GET /fixed HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 240 + b"Cookie: " + b"c" * 7000 + b"\r\n\r\n")
        await client.status()
        client.reset()

    async def pipelines(self):
        client = await Client.open(self.http)
        client.send(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        await asyncio.sleep(0.2)
        client.reset()

    async def flood(self, frames):
        client = await Client.open(self.http)
        client.send(openloop.Http2.PREFACE + openloop.frame(4, 0, 0, b""))
        for n in range(100):
            client.send(b"".join(frames(50 * n + i) for i in range(50)))
            await client.writer.drain()
            if client.reader.at_eof():
                break
        client.reset()

    async def rapid_resets(self):
        await self.flood(lambda n: openloop.frame(1, 5, 2 * n + 1, BLOCK) + openloop.frame(3, 0, 2 * n + 1, b"\0\0\0\x08"))

    async def made_resets(self):
        await self.flood(lambda n: openloop.frame(1, 4, 2 * n + 1, BLOCK) + openloop.frame(8, 0, 2 * n + 1, b"\x7f\xff\xff\xff"))

    async def pings(self):
        await self.flood(lambda n: openloop.frame(6, 0, 0, b"pingping"))

    async def settings(self):
        await self.flood(lambda n: openloop.frame(4, 0, 0, b""))

    async def continuations(self):
        await self.flood(lambda n: openloop.frame(9, 0, 1, b"\0\1a\1b") if n else openloop.frame(1, 1, 1, BLOCK))


#: Name → what it is called, how many attackers, how often each is at it in a second (0: holds a connection).
ATTACKS = {
    "none": ("nothing", 0, 0),
    "idle": ("connections that stay open after an answer", 2000, 0),
    "slow_head": ("heads, a byte each half second", 1000, 0),
    "slow_body": ("bodies, 20 bytes a second", 500, 0),
    "never_reads": ("20 MB asked for and not read", 100, 0),
    "connects": ("connections opened and reset", 50, 20),
    "begins_tls": ("TLS handshakes begun", 20, 10),
    "malformed": ("malformed heads", 50, 10),
    "large_heads": ("heads of 9 KB with 240 fields", 50, 4),
    "pipelines": ("200 requests in one piece, answers not read", 20, 2),
    "rapid_resets": ("HTTP/2 streams opened and reset", 20, 2),
    "made_resets": ("HTTP/2 streams that the gateway is made to reset", 20, 2),
    "pings": ("HTTP/2 pings", 20, 2),
    "settings": ("HTTP/2 settings", 20, 2),
    "continuations": ("HTTP/2 heads without an end", 20, 2),
}


async def attack(deed, count, rate, seconds):
    """`count` attackers for `seconds`; returns how many deeds were begun."""
    begun = 0

    async def one():
        nonlocal begun
        while True:
            begun += 1
            try:
                await deed()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                pass  # Cut off, as it deserves.
            await asyncio.sleep(random.expovariate(rate) if rate else 0.2)

    attackers = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(seconds)
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    return begun


def ask_honestly(port, rate, seconds, say):
    """Half hits, half of them from the back end, in a process of its own."""
    os.sched_setaffinity(0, {1 % os.cpu_count()})
    ask = lambda path: f"GET {path} HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\n\r\n".encode()
    requests = [ask("/cached/1"), ask("/keyed/1")]
    try:
        offered = openloop.open_loop(lambda: openloop.Http1(port, None), GOOD_CONNECTIONS, requests, rate, seconds)
        # The first second is the attack's beginning.
        latency = offered.latency(offered.due[0] + min(1, seconds / 5))
        say.send((latency, offered.refused))
    except (openloop.LoadFailed, OSError) as error:
        say.send((str(error), 0))


def measure(gateway, name, options):
    what, count, rate = ATTACKS[name]
    hear, say = Pipe(duplex=False)
    good = Process(target=ask_honestly, args=(gateway.ports["http"], options.rate, options.seconds, say))
    before = meters.cpu_of(gateway.process.pid).total
    good.start()
    deed = getattr(Attack(gateway.ports), name, None)
    begun = asyncio.run(attack(deed, count, rate, options.seconds))
    latency, refused = hear.recv()
    good.join()
    core = 100 * (meters.cpu_of(gateway.process.pid).total - before) / options.seconds
    number = f"{count} at once" if not rate else f"{begun / options.seconds:.0f} a second"
    if isinstance(latency, str):
        return f"| {what} | {number if count else ''} | {latency} | | | {core:.0f} % |", False
    figures = " | ".join(f"{value / 1000:.2f}" for value in (latency.p50, latency.p99, latency.late_p99))
    return f"| {what} | {number if count else ''} | {figures} | {core:.0f} % |", refused == 0


def main():
    parser = argparse.ArgumentParser(description="what good clients notice of bad ones")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--tollgate", type=Path, default=HERE.parent / "target/dist/tollgate")
    parser.add_argument("--first-port", type=int, default=18400)
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    lines = [f"Good clients: {options.rate:g} requests a second over {GOOD_CONNECTIONS} connections, {options.seconds:g} s each.", "",
             "| beside | how many | p50 ms | p99 ms | generator late, p99 ms | gateway's core |", "|---|---|---|---|---|---|"]
    is_well = True
    with tempfile.TemporaryDirectory(prefix="tollgate-attack-") as folder:
        gateway = Gateway(options.tollgate.resolve(), folder, options.first_port)
        os.sched_setaffinity(0, {1 % os.cpu_count()})
        gateway.start()
        try:
            for task in os.listdir(f"/proc/{gateway.process.pid}/task"):
                os.sched_setaffinity(int(task), {0})
            for name in options.attacks.split(","):
                line, is_right = measure(gateway, name, options)
                print(line, flush=True)
                lines.append(line + ("" if is_right else " a good client was refused |"))
                is_well &= is_right
        finally:
            gateway.end()
    Path(HERE / "results" / f"attack-{datetime.datetime.now():%Y-%m-%dT%H%M}.md").write_text("\n".join(lines) + "\n")
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
