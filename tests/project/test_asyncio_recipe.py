"""The code of the page about asyncio: gzip of several members, limits, early ends, cancellation."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import Any

import pytest
from support.documentation import ROOT, blocks

PAGE = ROOT / "docs" / "asyncio.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")

LINE = b'{"QueryName":"www.example.com"}\n'


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "recipe"}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(compile(block.text, block.page, "exec"), names)
    return names


def converted(recipe: dict[str, Any], body: bytes, **options: Any) -> bytes:
    """Return what is written for a body that arrives in pieces."""
    outputs = []

    async def write(data: bytes) -> None:
        outputs.append(data)

    async def run() -> None:
        reader = asyncio.StreamReader()
        for start in range(0, len(body), 100):
            reader.feed_data(body[start : start + 100])
        reader.feed_eof()
        await recipe["handle_stream"](reader, write, **options)

    asyncio.run(run())
    return b"".join(outputs)


def test_every_member_is_converted(recipe: dict[str, Any]) -> None:
    body = gzip.compress(LINE * 20_000) + gzip.compress(LINE * 3)
    assert converted(recipe, body) == recipe["normalizer"].to_ndjson(LINE * 20_003).output


def test_limit_ends_the_conversion(recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limit"):
        converted(recipe, gzip.compress(LINE * 20_000), max_decoded_bytes=1 << 18)


def test_early_end_is_an_error(recipe: dict[str, Any]) -> None:
    with pytest.raises(EOFError):
        converted(recipe, gzip.compress(LINE * 5)[:-9])


def test_cancelled_task_ends_its_thread(recipe: dict[str, Any]) -> None:
    before = set(threading.enumerate())

    async def run() -> None:
        reader = asyncio.StreamReader()
        task = asyncio.create_task(recipe["handle_stream"](reader, None))
        while not reader._waiter:  # the thread waits for a block that never comes
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # The end of the loop waits for the threads of its executor.
    asyncio.run(run())
    assert set(threading.enumerate()) == before
