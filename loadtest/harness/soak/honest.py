"""What must always work: `h2load` at fixed rates over every kind of connection. No answer but 2xx is right."""

import asyncio
import re

from .gateway import KEY

#: One `h2load` lasts so long; the next begins with new connections, so there are handshakes all the time.
SLICE_SECONDS = 20


def streams(gateway, scale):
    """Name → arguments. `scale` 1 is about 1,000 requests a second in all."""
    http, tls = f"http://127.0.0.1:{gateway.ports['http']}", f"https://localhost:{gateway.ports['tls']}"
    gets = write(gateway.folder / "gets.txt", http)
    secured = write(gateway.folder / "secured.txt", tls)
    (gateway.folder / "body").write_bytes(b"b" * 4000)
    rate = lambda number: f"--rps={number * scale:g}"
    return {
        "http": ["--h1", "-c16", rate(25), "-i", gets],
        "https": ["--h1", "-c8", rate(20), "-i", secured],
        "h2": ["-c8", "-m4", rate(40), "-i", secured],
        "h2c post": ["-c4", "-m4", rate(40), "-d", str(gateway.folder / "body"), f"{http}/demo/posted"],
    }


def write(file, base):
    """More addresses than the cache can hold, so that it is full after some minutes."""
    lines = []
    for n in range(6000):
        lines += [f"{base}/cached/{n}", f"{base}/honored/{n % 2000}", f"{base}/keyed/{n % 50}", f"{base}/fixed"]
    file.write_text("\n".join(lines[n * 7919 % len(lines)] for n in range(len(lines))) + "\n")
    return str(file)


async def keep_asking(name, arguments, tally, deadline):
    loop = asyncio.get_running_loop()
    while (left := deadline - loop.time()) > 2:
        seconds = min(SLICE_SECONDS, int(left))
        command = ["h2load", "-t1", "-D", str(seconds), "-H", f"x-api-key: {KEY}", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        try:
            said = (await asyncio.wait_for(process.communicate(), seconds + 60))[0].decode()
        except asyncio.TimeoutError:
            process.kill()
            tally.wrong(f"{name}: h2load hangs")
            continue
        count(name, said, tally)


def count(name, said, tally):
    requests = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
    if not requests or not statuses:
        tally.wrong(f"{name}: h2load said {said[-300:]!r}")
        return
    done, _, failed, errored, timeout = map(int, requests.groups())
    tally.count(f"honest {name}", done)
    for what, number in [("failed", failed), ("errored", errored), ("timeout", timeout)]:
        if number:
            tally.wrong(f"{name}: {what}", number)
    for what, number in zip(("3xx", "4xx", "5xx"), map(int, statuses.groups()[1:])):
        if number:
            tally.wrong(f"{name}: {what}", number)
