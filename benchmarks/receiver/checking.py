"""Check that the files hold exactly the events of the acknowledged batches."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


class WrongEvents(Exception):
    """A file holds bytes that are not the events of a block at this position."""


class Checker:
    """Compares the content of files with the outputs of blocks, byte by byte."""

    def __init__(self, outputs: Sequence[bytes]) -> None:
        self.outputs = outputs
        self.by_first_line = {output[: output.index(b"\n")]: block for block, output in enumerate(outputs)}
        assert len(self.by_first_line) == len(outputs), "blocks must begin with different events"

    def blocks(self, path: Path) -> Counter[int]:
        """Return how often each block is in a file. Raises `WrongEvents`."""
        found: Counter[int] = Counter()
        data = b""
        for chunk in _decoded(path):
            data += chunk
            position = 0
            while (end := data.find(b"\n", position)) >= 0:
                block = self.by_first_line.get(data[position:end])
                if block is None:
                    raise WrongEvents(f"{path.name}: an event that is not the first of a block")
                output = self.outputs[block]
                if len(data) < position + len(output):
                    break
                if not data.startswith(output, position):
                    raise WrongEvents(f"{path.name}: block {block} is not as converted")
                found[block] += 1
                position += len(output)
            data = data[position:]
        if data:
            raise WrongEvents(f"{path.name}: ends within a block")
        return found

    def check(self, files: Iterable[Path], *, delete: bool = False, threads: int = 2) -> Counter[int]:
        """Return how often each block is in files. With `delete`, a file that was read is removed."""

        def one(path: Path) -> Counter[int]:
            found = self.blocks(path)
            if delete:
                path.unlink()
            return found

        total: Counter[int] = Counter()
        with ThreadPoolExecutor(threads) as pool:
            for found in pool.map(one, files):
                total += found
        return total


def difference(delivered: Counter[int], acknowledged: Counter[int]) -> dict[str, Any]:
    """Return how many blocks are missing and how many are there too often; both are 0 if nothing is wrong."""
    return {
        "missing_blocks": (acknowledged - delivered).total(),
        "additional_blocks": (delivered - acknowledged).total(),
    }


def _decoded(path: Path) -> Iterator[bytes]:
    """Yield the content of a gzip file of one or more members."""
    try:
        from isal import isal_zlib as codec
    except ImportError:
        codec = zlib
    decoder: Any = codec.decompressobj(31)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 19):
            while chunk:
                yield decoder.decompress(chunk)
                chunk = decoder.unused_data
                if decoder.eof:
                    decoder = codec.decompressobj(31)
