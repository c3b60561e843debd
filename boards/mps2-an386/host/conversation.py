"""The server that the board's `client` and `async` talk to: it knows the conversation and checks
its side.

Listens on a port of the system's choice, printed as the first line. One line of
JSON follows for each connection, with what was wrong with it. Ends when standard
input ends, so that it never outlives whoever started it.
"""

import asyncio
import json
import sys
import threading

from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

LONG = 256 * 1024
WITHIN = 20

given_up = asyncio.Event()

TEXT = "grüße from a microcontroller"
FRAGMENTED = "Stücke, drei"
CUTS = (3, 8)


def emit(event):
    print(json.dumps(event), flush=True)


def pattern(length):
    """Bytes of which each tells where it stands."""
    return bytes((at ^ at >> 8 ^ at >> 16) & 0xFF for at in range(length))


class Watched(ServerConnection):
    """Notes the frames that make up messages: their types, FIN, and lengths.

    Pings without payload are keepalive's, and may come between any two frames.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.frames = []
        self.asked = asyncio.Event()

    def process_event(self, event):
        if isinstance(event, Frame):
            if event.opcode is Opcode.PING and not event.data:
                self.asked.set()
            else:
                self.frames.append((event.opcode, event.fin, len(event.data)))
        super().process_event(event)

    async def send_fragments(self, first, *others):
        """A text in exactly these frames: `send` ends with an empty one."""
        async with self.send_context():
            self.protocol.send_text(first, fin=False)
        for number, piece in enumerate(others, 1):
            async with self.send_context():
                self.protocol.send_continuation(piece, fin=number == len(others))


def expect(what, seen, expected):
    if seen != expected:
        shown = f"{seen!r:.200} instead of {expected!r:.200}"
        raise AssertionError(f"{what}: {shown}")


async def converse(ws):
    async def receive():
        ws.frames.clear()
        return await asyncio.wait_for(ws.recv(), WITHIN)

    text = await receive()
    expect("text", text, TEXT)
    await ws.send(text)

    binary = await receive()
    expect("binary", binary, pattern(1000))
    await ws.send(binary)

    text = await receive()
    data = FRAGMENTED.encode()
    expect("fragmented", text, FRAGMENTED)
    frames = [
        (Opcode.TEXT, False, CUTS[0]),
        (Opcode.CONT, False, CUTS[1] - CUTS[0]),
        (Opcode.CONT, True, len(data) - CUTS[1]),
    ]
    expect("its frames", ws.frames, frames)
    await ws.send_fragments(data[:1], data[1:4], data[4:])

    binary = await receive()
    expect("the long message's length", len(binary), LONG)
    expect("the long message", binary, pattern(LONG))
    expect("its frames", ws.frames, [(Opcode.BINARY, True, LONG)])
    await ws.send(bytes(byte ^ 0xFF for byte in binary))

    # The client's Ping is answered by `websockets`; this one by the board.
    pong = await ws.ping(b"and are you?")
    await asyncio.wait_for(pong, WITHIN)
    await ws.send("your Pong came")

    if ws.request.path == "/kept-alive":
        ws.asked.clear()
        await asyncio.wait_for(ws.asked.wait(), WITHIN)
        await ws.send("you asked")

    await asyncio.wait_for(ws.wait_closed(), WITHIN)
    expect("close code", ws.close_code, 4000)
    expect("close reason", ws.close_reason, "done")
    expect("pings", [f[2] for f in ws.frames if f[0] is Opcode.PING], [14])


async def play_dead(ws):
    """Reads nothing, so answers nothing, until the client has come by another connection."""
    ws.transport.pause_reading()
    try:
        await asyncio.wait_for(given_up.wait(), WITHIN)
        problem = None
    except TimeoutError:
        problem = "the client waits for the dead"
    ws.transport.abort()
    emit({"event": "silent", "problem": problem})


async def handle(ws):
    if ws.request.path == "/silent":
        return await play_dead(ws)
    problem = None
    try:
        await converse(ws)
    except Exception as error:  # whatever it is, it is for the report
        problem = f"{type(error).__name__}: {error}"
    emit({"event": "conversation", "problem": problem})


def route(connection, request):
    if request.path in ("/conversation", "/kept-alive", "/silent"):
        if request.path != "/silent":
            given_up.set()
        return None
    status = 403 if request.path == "/refuse" else 404
    problem = None if status == 403 else f"there is no {request.path}"
    emit({"event": "refused", "problem": problem})
    return connection.respond(status, "no\n")


async def main():
    stop = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def until_input_ends():
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.cancel)

    threading.Thread(target=until_input_ends, daemon=True).start()
    async with serve(
        handle,
        "127.0.0.1",
        0,
        process_request=route,
        create_connection=Watched,
        compression=None,
        ping_interval=None,
        max_size=2 * LONG,
    ) as server:
        emit({"event": "listening", "port": server.sockets[0].getsockname()[1]})
        try:
            await stop
        except asyncio.CancelledError:
            pass


asyncio.run(main())
