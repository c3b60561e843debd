"""Clients of `ws serve` by Python `websockets`: `client.py URL CHECK...`.

Each check is one line of standard output, `{"check":…,"problems":[…],"seconds":…}`,
in the order asked for. `hang` and `stay` print `{"ready":true}` first and go on
until they are killed, or until the server closes. Ends when standard input ends,
so that it never outlives the harness. client.cjs does the same by Node's `ws`.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

MIB = 1 << 20
WITHIN = 20
SIZES = [0, 1, 125, 126, 127, 4096, 65535, 65536, 65537, MIB]


class Problem(Exception):
    pass


def expect(what, found, wanted):
    if found != wanted:
        raise Problem(f"{what}: {short(found)}, not {short(wanted)}")


def short(value):
    if isinstance(value, (str, bytes)) and len(value) > 60:
        return f"{type(value).__name__} of {len(value)}"
    return repr(value)


def opened(url, **options):
    options = {"max_size": 64 * MIB, "open_timeout": WITHIN, "ping_interval": None} | options
    return connect(url, **options)


async def echoes(ws, message, fragments=None):
    """Sends all of it before it receives anything."""
    text = isinstance(message, str)
    await ws.send(message if fragments is None else fragments, text=text)
    expect("the echo", await ws.recv(), message)


def text_of(size):
    phrase = "0123456789 äöü → 🦀 "
    text = phrase * (size // len(phrase.encode()) + 1)
    return text.encode()[:size].decode(errors="ignore").ljust(1, "x")


async def text(url):
    async with opened(url) as ws:
        for message in ["", "x", "äöü → 🦀", "\0", *map(text_of, SIZES)]:
            await echoes(ws, message)


async def binary(url):
    async with opened(url) as ws:
        for size in SIZES:
            await echoes(ws, random.Random(size).randbytes(size))


async def fragmented(url):
    async with opened(url) as ws:
        await echoes(ws, "abc", ["a", "b", "c"])
        await echoes(ws, b"abc", [b"", b"abc", b""])
        crab = "a 🦀".encode()
        await echoes(ws, "a 🦀", [crab[:3], crab[3:5], crab[5:]])
        many = random.Random(1).randbytes(100_000)
        await echoes(ws, many, [many[at : at + 7000] for at in range(0, len(many), 7000)])
        await echoes(ws, "whole again")


async def sixteen_mib_text(url):
    async with opened(url) as ws:
        await echoes(ws, text_of(16 * MIB))


async def sixteen_mib_binary(url):
    async with opened(url) as ws:
        await echoes(ws, random.Random(2).randbytes(16 * MIB))


async def many_in_flight(url):
    """Everything is sent before anything is received."""
    messages = [f"{n}" if n % 2 else b"%d" % n for n in range(2000)]
    async with opened(url, max_queue=None) as ws:
        for message in messages:
            await ws.send(message)
        for message in messages:
            expect("the echo", await ws.recv(), message)


async def ping(url):
    async with opened(url) as ws:
        for payload in [b"there?", b"", bytes(range(125))]:
            await (await ws.ping(payload))

        async def interrupted():
            yield "before "
            await (await ws.ping(b"between fragments"))
            yield "after"

        await echoes(ws, "before after", interrupted())


async def close_codes(url):
    for code, reason in [(1000, ""), (1001, "going"), (1008, "é" * 61), (3000, "x"), (4999, "")]:
        ws = await opened(url)
        await echoes(ws, "last words")
        await ws.close(code, reason)
        answer = ws.protocol.close_rcvd
        expect("the server's code", answer and answer.code, code)


async def too_big(url):
    ws = await opened(url)
    try:
        await ws.send(bytes(21 * MIB))
        await ws.recv()
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    # nginx hangs up on a client that is still sending when the server has closed: now and then
    # before it has passed the Close on.
    if not (os.environ.get("THROUGH_PROXY") and ws.close_code == 1006):
        expect("the close code", ws.close_code, 1009)


async def not_utf8(url):
    ws = await opened(url)
    await ws.send(b"\xff", text=True)
    try:
        await ws.recv()
    except ConnectionClosed:
        pass
    expect("the close code", ws.close_code, 1007)


async def subprotocols(url):
    for offered, chosen in [
        (["v1"], "v1"),
        (["v2", "v1"], "v2"),
        (["v0", "v1"], "v1"),
        (["v0"], None),
        (None, None),
    ]:
        async with opened(url, subprotocols=offered) as ws:
            expect(f"chosen of {offered}", ws.subprotocol, chosen)
            await echoes(ws, "hello")


async def five_hundred(url):
    async def one(number):
        async with opened(url, compression=None) as ws:
            everybody.append(ws)
            while len(everybody) < 500:
                await asyncio.sleep(0.01)
            await echoes(ws, f"number {number}")

    everybody = []
    await asyncio.gather(*map(one, range(500)))


async def hang(url):
    """Stays in the middle of a frame."""
    ws = await opened(url)
    await echoes(ws, "first")
    ws.transport.write(b"\x82\xfe\x10\x00\1\2\3\4" + bytes(100))
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.sleep(60)
    raise Problem("nobody killed this")


async def stay(url):
    ws = await opened(url)
    await echoes(ws, "first")
    print(json.dumps({"ready": True}), flush=True)
    await ws.wait_closed()
    expect("the close code", ws.close_code, 1001)


CHECKS = {
    "text": text,
    "binary": binary,
    "fragmented": fragmented,
    "16mib-text": sixteen_mib_text,
    "16mib-binary": sixteen_mib_binary,
    "many-in-flight": many_in_flight,
    "ping": ping,
    "close-codes": close_codes,
    "too-big": too_big,
    "not-utf8": not_utf8,
    "subprotocols": subprotocols,
    "500-at-once": five_hundred,
    "hang": hang,
    "stay": stay,
}


async def main(url, names):
    for name in names:
        began = time.monotonic()
        problems = []
        try:
            await asyncio.wait_for(CHECKS[name](url), WITHIN)
        except TimeoutError:
            problems.append(f"not done within {WITHIN} s")
        except Exception as error:
            problems.append(str(error) if isinstance(error, Problem) else repr(error))
        seconds = time.monotonic() - began
        print(json.dumps({"check": name, "problems": problems, "seconds": seconds}), flush=True)


def end_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
    # The thread that reads standard input cannot be ended otherwise.
    os._exit(0)
