"""python -m benchmarks.receiver.neighbours: clients that harm a server which lets them.

The settings are one JSON object on standard input (`Neighbours`). One line goes to standard output when all idle
connections are open, and a JSON object of counts when standard input ends.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import sys
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

TRICKLE_S = 1.0
#: The pause before a connection that the server closed is opened again.
AGAIN_S = 0.5


@dataclass(frozen=True)
class Neighbours:
    """Where, and how many of each.

    Attributes
    ----------
    idle : int
        Connections that send nothing.
    slow_headers, slow_bodies : int
        Connections that send a byte a second, of a header and of a body with a valid key.
    garbage, bombs : int
        Connections that send random bytes, and that send gzip bombs of several kinds, one after another.
    """

    host: str
    port: int
    path: str
    key_header: str
    key: str
    idle: int = 10_000
    slow_headers: int = 200
    slow_bodies: int = 200
    garbage: int = 4
    bombs: int = 2


def bombs() -> list[bytes]:
    """Return bodies that are far larger, or far more work, than they look."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = bytes(1 << 20)
    large = b"".join(zeros.compress(chunk) for _ in range(512)) + zeros.flush()
    nested = gzip.compress(gzip.compress(bytes(1 << 26)))
    members = gzip.compress(b"", mtime=0) * 200_000
    return [large, nested, members]


class Crowd:
    """Keeps all connections busy until it is cancelled."""

    def __init__(self, settings: Neighbours) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.idle_open = 0
        self.all_idle = asyncio.Event()

    async def run(self) -> None:
        settings = self.settings
        plans: list[tuple[Callable[[int], Awaitable[None]], int]] = [
            (self.idle, settings.idle),
            (self.slow_headers, settings.slow_headers),
            (self.slow_bodies, settings.slow_bodies),
            (self.garbage, settings.garbage),
            (self.bomb, settings.bombs),
        ]
        self.bodies = await asyncio.to_thread(bombs)
        async with asyncio.TaskGroup() as group:
            for action, count in plans:
                for number in range(count):
                    group.create_task(self.repeat(action, number))
                    if number % 20 == 19:
                        # At most 1,000 connections a second. Faster, the server would close 10,000 at once when their
                        # time is over, and they would come back at once, for as long as the run lasts.
                        await asyncio.sleep(0.02)

    async def repeat(self, action: Callable[[int], Awaitable[None]], number: int) -> None:
        name = action.__name__
        while True:
            try:
                await action(number)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.counts[f"{name}: {type(error).__name__}"] += 1
            else:
                self.counts[f"{name}: closed by the server"] += 1
            await asyncio.sleep(AGAIN_S)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.settings.host, self.settings.port)

    def head(self, length: int) -> bytes:
        settings = self.settings
        return (
            f"POST {settings.path} HTTP/1.1\r\nHost: {settings.host}\r\n{settings.key_header}: {settings.key}\r\n"
            f"Content-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    async def idle(self, _: int) -> None:
        reader, writer = await self.connect()
        self.idle_open += 1
        if self.idle_open >= self.settings.idle * 0.99:
            self.all_idle.set()
        try:
            await reader.read(1)
        finally:
            self.idle_open -= 1
            writer.close()

    async def slow_headers(self, _: int) -> None:
        await self.trickle(b"", b"POST / HTTP/1.1\r\nX-A: " + b"a" * 600)

    async def slow_bodies(self, _: int) -> None:
        await self.trickle(self.head(100_000), bytes(600))

    async def trickle(self, at_once: bytes, slowly: bytes) -> None:
        reader, writer = await self.connect()
        closed = asyncio.ensure_future(reader.read(1))
        try:
            writer.write(at_once)
            for position in range(len(slowly)):
                writer.write(slowly[position : position + 1])
                await writer.drain()
                if (await asyncio.wait([closed], timeout=TRICKLE_S))[0]:
                    break
        finally:
            closed.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await closed
            writer.close()

    async def garbage(self, number: int) -> None:
        reader, writer = await self.connect()
        try:
            writer.write(random.Random(number).randbytes(20_000) if number % 2 else os.urandom(2000) + b"\r\n\r\n")
            await writer.drain()
            await asyncio.wait_for(reader.read(-1), 60)
        finally:
            writer.close()

    async def bomb(self, number: int) -> None:
        body = self.bodies[(number + sum(self.counts.values())) % len(self.bodies)]
        reader, writer = await self.connect()
        try:
            writer.write(self.head(len(body)))
            writer.write(body)
            status = await asyncio.wait_for(reader.readline(), 60)
            self.counts[f"bomb: {status[9:12].decode('ascii', 'replace') or 'no answer'}"] += 1
        finally:
            writer.close()


async def _run(settings: Neighbours) -> NoReturn:
    crowd = Crowd(settings)
    running = asyncio.ensure_future(crowd.run())
    ready = asyncio.ensure_future(crowd.all_idle.wait())
    await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
    print("ready", flush=True)
    ready.cancel()
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps({**crowd.counts, "idle_open": crowd.idle_open}), flush=True)
    # The end of the process closes 10,000 connections at once; cancelling their tasks takes seconds.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_run(Neighbours(**json.loads(sys.stdin.readline()))))
