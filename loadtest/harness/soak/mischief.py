"""Clients that break off, dawdle or mean harm. Each is a coroutine that does its mischief once; `keep_doing` repeats it."""

import asyncio
import random
import socket
import ssl
import struct

from .. import openloop
from .gateway import KEY, SPENT_KEY, THROTTLED_KEY

#: Whoever is still being served after this was forgotten: each limit of the gateway is much shorter.
PATIENCE_SECONDS = 60

#: Heads that must be answered with 400 and nothing else.
MALFORMED = [
    b"GET /fixed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /fixed HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET /fixed HTTP/1.1\nHost: a\n\n",
    b"GET /fixed HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    b"GET /fixed HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /fi\0xed HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%c0%af HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /fixed HTTP/1.1\r\n\r\n",
]


class Client:
    """One connection. `status` reads an answer's head; `ended` waits until the gateway has closed."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, tls=None):
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))

    def send(self, data):
        self.writer.write(data)

    async def status(self):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        return int(head.split(b" ", 2)[1])

    async def ask(self, head):
        self.send(head.encode() + b"\r\nHost: soak\r\nConnection: close\r\n\r\n")
        status = await self.status()
        await self.ended()
        return status

    async def ended(self):
        while await asyncio.wait_for(self.reader.read(1 << 16), PATIENCE_SECONDS):
            pass

    def reset(self):
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


def tls_of_anyone():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Mischief:
    def __init__(self, gateway, tally):
        self.ports, self.tally = gateway.ports, tally
        self.tls = tls_of_anyone()

    def all(self):
        """What is done, how often a second, and by how many at once."""
        return [
            (self.slow_head, 1, 8), (self.slow_body, 1, 4), (self.never_reads, 1, 4), (self.sits_idle, 4, 80),
            (self.resets, 5, 2), (self.gives_up_a_body, 5, 2), (self.malformed, 8, 2), (self.quits_tls, 5, 2),
            (self.shakes_hands, 5, 2), (self.floods, 0.2, 1), (self.is_refused, 10, 2), (self.is_throttled, 10, 2),
            (self.churns, 15, 2), (self.asks_for_parts, 10, 2), (self.meets_a_bad_mood, 8, 8),
            (self.upgrades, 2, 2), (self.expects, 2, 2), (self.comes_by_a_proxy, 3, 2),
        ]

    async def expect(self, what, client, status, *allowed):
        self.tally.count(f"{what} {status}")
        if status not in allowed:
            self.tally.wrong(f"{what}: {status}")
        client.close()

    async def slow_head(self):
        client = await Client.open(self.ports["http"])
        client.send(b"GET /fixed HTTP/1.1\r\nHost: soak\r\n")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not client.reader.at_eof():
                    client.send(b"X-A: b\r\n")
                    await asyncio.sleep(0.5)
                    if client.reader._buffer:
                        break
        except OSError:
            return self.tally.count("slow head cut")
        await self.expect("slow head", client, await client.status(), 408)

    async def slow_body(self):
        client = await Client.open(self.ports["http"])
        client.send(b"POST /demo/slow HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not client.reader.at_eof() and not client.reader._buffer:
                    client.send(b"x" * 10)
                    await asyncio.sleep(0.5)
        except OSError:
            return self.tally.count("slow body cut")
        await self.expect("slow body", client, await client.status(), 408)

    async def never_reads(self):
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.ports["http"]))
        plain.send(b"GET /demo/bytes/20000000 HTTP/1.1\r\nHost: soak\r\n\r\n")
        await asyncio.sleep(15)
        self.tally.count("never read")
        plain.close()

    async def sits_idle(self):
        client = await Client.open(self.ports["http"])
        client.send(b"GET /fixed HTTP/1.1\r\nHost: soak\r\n\r\n")
        await client.ended()
        self.tally.count("idle until closed")
        client.close()

    async def resets(self):
        client = await Client.open(self.ports["http"])
        client.send(b"GET /demo/slow?ms=200 HTTP/1.1\r\nHost: soak\r\n\r\n")
        await asyncio.sleep(random.random() * 0.3)
        self.tally.count("reset")
        client.reset()

    async def gives_up_a_body(self):
        client = await Client.open(self.ports["http"], random.choice([None]))
        framing = random.choice(["Content-Length: 50000", "Transfer-Encoding: chunked"])
        client.send(f"POST /demo/body HTTP/1.1\r\nHost: soak\r\n{framing}\r\n\r\n".encode() + b"1000\r\n" + b"x" * 2000)
        await asyncio.sleep(random.random() * 0.1)
        self.tally.count("body given up")
        client.close()

    async def malformed(self):
        client = await Client.open(self.ports["http"])
        client.send(random.choice(MALFORMED))
        status = await client.status()
        await client.ended()
        await self.expect("malformed", client, status, 400)

    async def quits_tls(self):
        client = await Client.open(self.ports["tls"])
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(random.randrange(200)))
        await asyncio.sleep(random.random() * 0.1)
        self.tally.count("TLS given up")
        client.close()

    async def shakes_hands(self):
        client = await Client.open(self.ports["tls"], self.tls)
        await self.expect("handshake", client, await client.ask("GET /fixed HTTP/1.1"), 200)

    async def floods(self):
        """HTTP/2 as nobody should speak it, until the gateway has closed."""
        client = await Client.open(self.ports["http"])
        client.send(openloop.Http2.PREFACE + openloop.frame(4, 0, 0, b""))
        block, kind = openloop.hpack_block("/fixed"), random.choice(["pings", "resets", "continuations", "settings"])
        if kind == "continuations":
            client.send(openloop.frame(1, 1, 1, block))
        try:
            for n in range(100_000):
                client.send({
                    "pings": lambda: openloop.frame(6, 0, 0, b"pingping"),
                    "settings": lambda: openloop.frame(4, 0, 0, b""),
                    "continuations": lambda: openloop.frame(9, 0, 1, b"\0\1a\1b"),
                    "resets": lambda: openloop.frame(1, 5, 2 * n + 1, block) + openloop.frame(3, 0, 2 * n + 1, b"\0\0\0\x08"),
                }[kind]())
                if n % 50 == 0:
                    await client.writer.drain()
                    await asyncio.sleep(0)
                if client.writer.is_closing() or client.reader.at_eof():
                    break
            else:
                self.tally.wrong(f"a flood of {kind} is borne for ever")
        except OSError:
            pass
        self.tally.count(f"flood of {kind}")
        client.reset()

    async def is_refused(self):
        client = await Client.open(self.ports["http"])
        field = random.choice(["X-A: b", "x-api-key: nobody-has-this-key-0123456789"])
        await self.expect("unknown key", client, await client.ask(f"GET /keyed/1 HTTP/1.1\r\n{field}"), 401, 403)

    async def is_throttled(self):
        client = await Client.open(self.ports["http"])
        key = random.choice([THROTTLED_KEY, SPENT_KEY])
        await self.expect("limited key", client, await client.ask(f"GET /keyed/1 HTTP/1.1\r\nx-api-key: {key}"), 200, 429)

    async def churns(self):
        client = await Client.open(self.ports["http"])
        path = f"/keyed/{random.randrange(10)}?a={random.random()}"
        await self.expect("new connection", client, await client.ask(f"GET {path} HTTP/1.1\r\nx-api-key: {KEY}"), 200)

    async def asks_for_parts(self):
        client = await Client.open(self.ports["http"])
        number = random.randrange(2000)
        field = random.choice([
            "Range: bytes=10-20", f'If-None-Match: "{number}"', "Cache-Control: no-cache", "Cache-Control: max-stale",
            f"Accept-Language: l{random.randrange(20)}", "Cache-Control: only-if-cached"])
        status = await client.ask(f"GET /honored/{number} HTTP/1.1\r\n{field}")
        await self.expect("part", client, status, 200, 206, 304, 504)

    async def meets_a_bad_mood(self):
        client = await Client.open(self.ports["http"])
        mood = random.choice(["reset", "garbage", "late", "short", "chunked", "until-closed"])
        try:
            status = await client.ask(f"GET /moody/{mood} HTTP/1.1")
        except asyncio.IncompleteReadError:
            status = 0
        right = {"reset": 502, "garbage": 502, "late": 504}.get(mood, 200)
        await self.expect(f"mood {mood}", client, status, right)

    async def upgrades(self):
        client = await Client.open(self.ports["http"])
        client.send(b"GET /moody/upgraded HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        status = await client.status()
        if random.random() < 0.5:
            await client.ended()
        await self.expect("upgrade", client, status, 101)

    async def expects(self):
        client = await Client.open(self.ports["http"])
        client.send(b"POST /moody/body HTTP/1.1\r\nHost: soak\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        status = await client.status()
        if status == 100:
            client.send(b"body")
            status = await client.status()
        await self.expect("expect", client, status, 200)

    async def comes_by_a_proxy(self):
        client = await Client.open(self.ports["proxied"])
        if random.random() < 0.3:
            client.send(b"PROXY NONSENSE\r\n\r\n")
            await client.ended()
            self.tally.count("proxy protocol cut")
            return client.close()
        client.send(f"PROXY TCP4 10.0.{random.randrange(250)}.{random.randrange(250)} 10.0.0.1 1000 80\r\n".encode())
        await self.expect("proxied", client, await client.ask("GET /fixed HTTP/1.1"), 200)


async def keep_doing(deed, rate, tally, deadline):
    """Repeats a deed at `rate` a second on average, until `deadline`."""
    loop = asyncio.get_running_loop()
    while loop.time() < deadline:
        began = loop.time()
        try:
            await asyncio.wait_for(deed(), 2 * PATIENCE_SECONDS)
        except (OSError, asyncio.IncompleteReadError) as error:
            # Whoever does mischief may find the connection closed at any moment.
            tally.count(f"{deed.__name__}: {type(error).__name__}")
        except asyncio.TimeoutError:
            tally.wrong(f"{deed.__name__}: still being served after {PATIENCE_SECONDS} s")
        await asyncio.sleep(max(random.expovariate(rate) - (loop.time() - began), 0))
