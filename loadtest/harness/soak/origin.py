"""A back end with moods: the path says how it misbehaves."""

import asyncio
import re
import socket
import struct


async def serve(port):
    return await asyncio.start_server(talk, "127.0.0.1", port)


async def talk(reader, writer):
    try:
        while await turn(reader, writer):
            pass
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def turn(reader, writer):
    """One request and its answer; false when the connection ends."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    target = head.split(" ", 2)[1]
    if "100-continue" in head.lower():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await skip_body(head, reader)
    mood = target.strip("/").split("/")[0].split("?")[0]
    answer = MOODS.get(mood, usual)
    is_kept = await answer(head, target, writer)
    await writer.drain()
    return is_kept


async def skip_body(head, reader):
    if length := re.search(r"(?i)content-length: *(\d+)", head):
        await reader.readexactly(int(length[1]))
    elif re.search(r"(?i)transfer-encoding: *chunked", head):
        while size := int(await reader.readline() or b"0", 16):
            await reader.readexactly(size + 2)
        await reader.readline()


async def usual(_head, _target, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


async def honored(head, target, writer):
    """Answers of all kinds that a cache may share, vary, validate, serve stale, or must not store."""
    number = int(re.search(r"\d+", target)[0])
    tag = f'"{number}"'
    control = ("max-age=2, stale-while-revalidate=5", "max-age=30", "no-cache", "max-age=3", "no-store")[number % 5]
    fields = f"Cache-Control: {control}\r\nETag: {tag}\r\nVary: Accept-Language\r\nCache-Tag: t{number % 7}\r\n"
    if f"if-none-match: {tag}" in head.lower():
        writer.write(f"HTTP/1.1 304 Not Modified\r\n{fields}\r\n".encode())
        return True
    body = b"h" * (1000 + 100 * (number % 60))
    writer.write(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return True


async def reset(_head, _target, writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


async def garbage(_head, _target, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
    return False


async def short(_head, _target, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"s" * 5000)
    return False


async def late(_head, _target, writer):
    await asyncio.sleep(3)
    return await usual(_head, _target, writer)


async def chunked(_head, _target, writer):
    pieces = b"".join(b"%x\r\n%b\r\n" % (n, b"c" * n) for n in range(1, 200, 7))
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
    return True


async def until_closed(_head, _target, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"u" * 20000)
    return False


async def upgraded(_head, _target, writer):
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
    await writer.drain()
    await asyncio.sleep(0.5)
    return False


MOODS = {
    "honored": honored, "reset": reset, "garbage": garbage, "short": short, "late": late, "chunked": chunked,
    "until-closed": until_closed, "upgraded": upgraded,
}
