"""Visits the board's `server`, and ends it: pages, WebSockets, and what it has to refuse.

usage: visitor.py PORT

Prints one line of JSON: how many WebSockets were opened, and what was wrong.
"""

import asyncio
import http.client
import json
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SLOTS = 4
WITHIN = 20
PORT = int(sys.argv[1])

opened = 0


def expect(what, seen, expected):
    if seen != expected:
        shown = f"{seen!r:.200} instead of {expected!r:.200}"
        raise AssertionError(f"{what}: {shown}")


# ---- pages --------------------------------------------------------------------


def pages():
    """Four requests on one connection."""
    http_connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=WITHIN)

    def ask(method, path):
        http_connection.request(method, path)
        response = http_connection.getresponse()
        length = int(response.getheader("Content-Length"))
        return response.status, response.getheader("Content-Type"), length, response.read()

    status, kind, length, page = ask("GET", "/")
    expect("the page", (status, kind), (200, "text/html; charset=utf-8"))
    expect("the page's length", length, len(page))
    expect("the page's text", b"<title>A microcontroller</title>" in page, True)
    expect("HEAD", ask("HEAD", "/"), (200, kind, length, b""))
    expect("no page", ask("GET", "/nothing"), (404, "text/plain", 9, b"not here\n"))
    expect("POST", ask_status(http_connection, "POST", "/"), 405)
    http_connection.close()


def ask_status(http_connection, method, path):
    http_connection.request(method, path)
    return http_connection.getresponse().status


def end():
    http_connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=WITHIN)
    http_connection.request("GET", "/quit")
    response = http_connection.getresponse()
    expect("the end", (response.status, response.read()), (200, b"bye\n"))


# ---- WebSockets ---------------------------------------------------------------


async def open_one():
    """A WebSocket; counted."""
    global opened
    ws = await connect(
        f"ws://127.0.0.1:{PORT}/", compression=None, ping_interval=None, open_timeout=WITHIN
    )
    opened += 1
    return ws


async def within(awaitable):
    return await asyncio.wait_for(awaitable, WITHIN)


async def echo(ws, message):
    """Sends a message, a list as fragments, and waits for it."""
    await ws.send(message)
    whole = "".join(message) if isinstance(message, list) else message
    expect("echo", await within(ws.recv()), whole)


async def talk(number):
    """All kinds of messages, and a close with a code."""
    ws = await open_one()
    await echo(ws, f"I am number {number}: grüße")
    await echo(ws, "")
    await echo(ws, bytes(at * 7 & 0xFF for at in range(1000)))
    await echo(ws, ["in ", "three ", "fragments"])
    await echo(ws, bytes(at >> 3 & 0xFF for at in range(64 * 1024)))
    await echo(ws, "0123456789 äöü → 🦀 " * 1000)
    await within(await ws.ping(b"are you there?"))
    await within(ws.close(4001, "that is all"))
    expect("close", (ws.close_code, ws.close_reason), (4001, ""))


async def is_closed_with(ws, code):
    try:
        message = await within(ws.recv())
    except ConnectionClosed as closed:
        expect("close code", closed.rcvd and closed.rcvd.code, code)
    else:
        raise AssertionError(f"{message!r:.100} came instead of a Close with {code}")


async def breaks_the_protocol():
    """Text that is none, and a frame without a mask."""
    ws = await open_one()
    async with ws.send_context():
        ws.protocol.send_text(b"\xc3\x28")
    await is_closed_with(ws, 1007)

    ws = await open_one()
    ws.transport.write(b"\x81\x02hi")
    await is_closed_with(ws, 1002)


async def open_all():
    """As many as there are slots. Those that were left may take a moment to be noticed."""
    until = time.monotonic() + WITHIN
    all_open = []
    while len(all_open) < SLOTS:
        try:
            all_open.append(await open_one())
        except InvalidStatus as refused:
            expect("a full table", refused.response.status_code, 503)
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.02)
    return all_open


async def crowd():
    """One more than there is room for is refused; those who vanish leave their places."""
    all_open = await open_all()
    try:
        await open_one()
    except InvalidStatus as refused:
        expect("one too many", refused.response.status_code, 503)
    else:
        raise AssertionError("there was room for one more than there are slots")
    for number, ws in enumerate(all_open):
        await echo(ws, f"number {number} is still here")
    for ws in all_open:
        ws.transport.abort()
    all_open = await open_all()
    for ws in all_open:
        await echo(ws, "and back again")
    for ws in all_open:
        await within(ws.close())
        expect("close code", ws.close_code, 1000)


async def visit():
    await asyncio.gather(*(talk(number) for number in range(SLOTS)))
    await breaks_the_protocol()
    await crowd()


def main():
    problem = None
    try:
        pages()
        asyncio.run(visit())
        end()
    except Exception as error:  # whatever it is, it is for the report
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps({"opened": opened, "problem": problem}), flush=True)


main()
