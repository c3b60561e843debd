"""Python's websockets as the other end: of the C client (`serve CLIENT`), and of the C server (`call PORT`)."""

import asyncio
import sys

import websockets


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def serve(client):
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for text in ["hello", "", "ä" * 1000]:
            program = await asyncio.create_subprocess_exec(
                client, "127.0.0.1", str(port), "/chat", text, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(program.communicate(), 20)
            assert program.returncode == 0, program.returncode
            assert output.decode() == text + "\n", output


async def call(port):
    async with websockets.connect(f"ws://127.0.0.1:{port}/") as connection:
        for message in ["hello", "", b"\x00\xff" * 2000, "ä" * 10000]:
            await connection.send(message)
            assert await asyncio.wait_for(connection.recv(), 20) == message
        await (await connection.ping())
    assert connection.close_code == 1000, connection.close_code


asyncio.run(serve(sys.argv[2]) if sys.argv[1] == "serve" else call(int(sys.argv[2])))
