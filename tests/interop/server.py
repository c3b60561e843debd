"""The peers of `ws connect`: one path, one behaviour.

A well-behaved server nobody here wrote (Python `websockets`), and beside it the
raw one (raw_server.py) for what a well-behaved server cannot be made to do.
Both listen on ports of the system's choice, printed as the first line. One line
follows for each connection (record.py). Ends when standard input ends, so that
it never outlives the harness.
"""

import asyncio
import os
import random
import sys
import threading

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

import raw_server
from record import Record, emit

MIB = 1 << 20
# Between 1 s of `--ping` and the scenario's deadline.
PINGS_WITHIN = 8
ANSWER_WITHIN = 5


class Recording(ServerConnection):
    """Notes the control frames, which `websockets` handles on its own."""

    record = None

    def process_event(self, event):
        if self.record is not None and getattr(event, "opcode", None) is Opcode.PING:
            self.record.ping(event.data)
        super().process_event(event)


# ---- before the upgrade -------------------------------------------------------


def route(connection, request):
    """Answers the paths that refuse; None goes on with the upgrade."""
    record = Record(request.path, request.headers.raw_items())
    path = request.path.split("?")[0]
    refusals = {
        "/refuse": (403, {}),
        "/redirect": (302, {"Location": "ws://127.0.0.1:9/moved/here"}),
        "/auth": (401, {"WWW-Authenticate": 'Basic realm="interop"'}),
    }
    if path not in refusals and behaviour_of(path) is None:
        refusals[path] = (404, {})
    if path not in refusals:
        connection.record = record
        return None
    status, headers = refusals[path]
    response = connection.respond(status, f"refused with {status}\n")
    for name, value in headers.items():
        response.headers[name] = value
    record.emit()
    return response


def choose_subprotocol(connection, offered):
    path = connection.request.path.split("?")[0]
    if path == "/subprotocol/first":
        return offered[0]
    if path == "/subprotocol/last":
        return offered[-1]
    return None


# ---- after the upgrade --------------------------------------------------------


async def send(ws, message, fragments=None):
    """Sends and records a message, whole or as the given fragments."""
    text = isinstance(message, str)
    await ws.send(message if fragments is None else fragments, text=text)
    ws.record.sent(message)


async def echo(ws):
    async for message in ws:
        ws.record.got(message)
        await send(ws, message)


async def hello(ws):
    await send(ws, "hello")


async def push(ws):
    """1 MiB as one frame and as fragments, cut inside characters, both types."""
    binary = random.Random(1).randbytes(MIB)
    phrase = "0123456789 äöü → 🦀 "
    text = phrase * (MIB // len(phrase.encode()) + 1)
    await send(ws, binary)
    await send(ws, text)
    await send(ws, binary, list(cuts(binary, seed=2)))
    await send(ws, text, list(cuts(text.encode(), seed=3)))


def cuts(data, seed):
    """Pieces of 0 to 70,000 bytes: every length encoding, some of them empty."""
    rng = random.Random(seed)
    at = 0
    while at < len(data):
        size = rng.choice([0, 1, 125, 126, 127, 4096, 65535, 65536, 70000])
        yield data[at : at + size]
        at += size


async def ping(ws):
    """Pings while idle, in the middle of a message, empty and at full length."""

    async def pinged(payload):
        try:
            await asyncio.wait_for(await ws.ping(payload), ANSWER_WITHIN)
        except TimeoutError:
            ws.record.problem(f"no pong with the payload of the ping {payload!r}")

    await pinged(b"idle")

    async def interrupted():
        yield "before "
        await pinged(b"between fragments")
        yield "after"

    await send(ws, "before after", interrupted())
    await pinged(b"")
    await pinged(bytes(range(125)))


async def pinged(ws):
    """Waits for two pings of the client; `websockets` answers them itself."""
    for _ in range(PINGS_WITHIN * 20):
        if len(ws.record.fields["pings"]) >= 2:
            return
        await asyncio.sleep(0.05)
    ws.record.problem(f"no two pings within {PINGS_WITHIN} s")


async def kinds(ws):
    """Messages of every kind; the client echoes each with its type."""
    rng = random.Random(4)
    sizes = [0, 1, 124, 125, 126, 127, 4096, 65535, 65536, 65537, MIB]
    messages = [rng.randbytes(size) for size in sizes]
    messages += ["", "x", "äöü → 🦀", "é" * 62 + "x", "é" * 63, "🦀" * 16384, "t" * MIB]
    for message in messages:
        await send(ws, message)
        await returned(ws, message)
    for message in messages:
        data = message.encode() if isinstance(message, str) else message
        await send(ws, message, [b"", *cuts(data, seed=5), b""])
        await returned(ws, message)
    burst = [f"burst {n}" if n % 2 else b"burst %d" % n for n in range(50)]
    for message in burst:
        await send(ws, message)
    for message in burst:
        await returned(ws, message)


async def returned(ws, message):
    back = await asyncio.wait_for(ws.recv(), ANSWER_WITHIN)
    ws.record.got(back)
    if back != message:
        what = f"{type(message).__name__} of {len(message)}"
        ws.record.problem(f"{what} came back as {type(back).__name__} of {len(back)}")


def closing(code):
    async def close(ws):
        await ws.close(code, f"because {code} é")

    return close


BEHAVIOURS = {
    "/echo": echo,
    "/hello": hello,
    "/push": push,
    "/ping": ping,
    "/pinged": pinged,
    "/kinds": kinds,
    "/subprotocol/first": hello,
    "/subprotocol/last": hello,
    "/subprotocol/none": hello,
}


def behaviour_of(path):
    code = path.removeprefix("/close/")
    return closing(int(code)) if code.isdigit() else BEHAVIOURS.get(path)


async def handle(ws):
    record = ws.record
    try:
        await behaviour_of(ws.request.path.split("?")[0])(ws)
    except ConnectionClosed:
        if ws.protocol.close_rcvd is None:
            record.problem("the connection ended without the client's Close")
        elif ws.protocol.close_sent and not ws.protocol.close_rcvd_then_sent:
            record.problem(f"this server closed with {ws.protocol.close_sent}")
    except TimeoutError:
        record.problem(f"no answer within {ANSWER_WITHIN} s")
    finally:
        await ws.close()
        if (close := ws.protocol.close_rcvd) is not None:
            no_code = close.code == 1005
            record.close(None if no_code else int(close.code), close.reason)
        record.emit()


async def main():
    raw_port, closed_port = raw_server.start()
    options = {
        "compression": None,
        "max_size": 64 * MIB,
        "ping_interval": None,
        "close_timeout": ANSWER_WITHIN,
        "create_connection": Recording,
        "process_request": route,
        "select_subprotocol": choose_subprotocol,
    }
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        emit({"event": "listening", "real": port, "raw": raw_port, "closed": closed_port})
        await server.serve_forever()


def end_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    asyncio.run(main())
