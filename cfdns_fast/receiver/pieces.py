"""Stored batches to the pieces that a sink takes: decompress, convert, and count."""

from __future__ import annotations

import io
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .. import InputFormatError, Normalizer, Reject, Result, Stream
from ..io import is_special
from ..io.gunzip import IsalError
from ..io.outputs import Output, OutputFault
from ..io.spill_file import SpillFile
from ..sinks import Piece, SinkFault, Wants
from ..spool import Batch
from .settings import SettingsError, SinkSettings

__all__ = ["BATCH_GZIP", "Converter", "Detectors", "Part", "normalizer_of", "results_of"]

#: The code of a stored body that cannot be decompressed to its end. Bodies are examined before they are stored.
BATCH_GZIP = "batch.gzip"

#: The size of a piece in decoded bytes. A part of the result has at most about four times this size.
_BLOCK_BYTES = 1 << 20
#: A multiple of 3, so that the base64 texts of pieces can be joined.
_RAW_BYTES = 3 << 16


class Detectors(Protocol):
    """What a conversion uses of `FollowedDetectors`."""

    @property
    def current(self) -> tuple[Any, ...]: ...

    def refuse(self, error: SettingsError) -> None: ...


class Part(NamedTuple):
    """A part of a converted batch.

    Attributes
    ----------
    piece : Piece or None
        What the sink gets; None if the part has rejects only.
    rejects : callable or None
        Returns an iterator of the lines of the rejects in pieces; valid until the next part.
    reject_codes, problem_codes : dict
        The number of each.
    """

    piece: Piece | None
    rejects: Callable[[], Iterator[bytes]] | None
    reject_codes: dict[str, int]
    problem_codes: dict[str, int]


class Converter:
    """The conversion of stored batches for one sink. It is for one thread.

    Parameters
    ----------
    settings : SinkSettings
    wants : {"raw", "ndjson", "arrow"}
        What the sink takes.
    folder : Path
        For a temporary file with the bytes of a reject that is too long for memory.
    detectors : Detectors or None
        What annotates events.

    Raises
    ------
    SettingsError
        The mapping or an option cannot be used.
    """

    def __init__(self, settings: SinkSettings, wants: Wants, folder: Path, detectors: Detectors | None = None) -> None:
        self._settings = settings
        self._wants = wants
        self._spill = SpillFile(Output(str(folder / "reject")))
        self._detectors = detectors
        self._used: tuple[Any, ...] = ()
        self._normalizer: Normalizer | None = None
        if wants != "raw":
            self._normalizer = normalizer_of(settings)

    def parts(self, batch: Batch, skip: int = 0) -> Iterator[Part]:
        """Yield the parts of a batch; those of the same batch are always the same.

        Parameters
        ----------
        skip : int
            The number of parts that were used before a fault, which are left out.

        Raises
        ------
        SinkFault
            There is no space for a temporary file.
        EngineError
            The engine does not work on this system.
        """
        self._use_detectors()
        if self._normalizer is None:
            arrival = batch.arrival
            yield Part(Piece(batch.seq, batch.id, 0, 0, arrival.records, arrival.body, True), None, {}, {})
            return
        try:
            for number, part in enumerate(self._converted(batch, self._normalizer)):
                if number >= skip:
                    yield part
        except OutputFault as error:
            raise SinkFault("disk", str(error)) from error
        finally:
            self._spill.clear()

    def keep(self, seq: int, *, at_once: bool) -> int:
        """Return the batch: nothing is remembered between batches."""
        return seq

    def is_due(self) -> bool:
        """Return False: nothing holds the position back."""
        return False

    def close(self) -> None:
        """Remove the temporary file."""
        self._spill.close()

    def _use_detectors(self) -> None:
        if self._detectors is None or self._detectors.current is self._used:
            return
        self._used = self._detectors.current
        try:
            self._normalizer = normalizer_of(self._settings, self._used)
        except SettingsError as error:
            # Events go on as they were.
            self._detectors.refuse(error)

    def _converted(self, batch: Batch, normalizer: Normalizer) -> Iterator[Part]:
        # A piece is held back until the next one is known, because the last one says so.
        held: Piece | None = None
        number = events = 0
        fault: str | None = None
        with normalizer.stream(output=self._wants, whole_rejects=self._spill) as stream:
            results = results_of(stream, batch.arrival.body)
            while True:
                try:
                    result = next(results, None)
                except InputFormatError as error:
                    fault = error.code
                    break
                except (OSError, EOFError, IsalError) as error:
                    if isinstance(error, OSError) and error.errno:
                        raise
                    fault = BATCH_GZIP
                    break
                if result is None:
                    break
                piece = None
                if result.events:
                    piece, held = held, self._piece(batch, number, events, result)
                    number += 1
                    events += result.events
                rejects = partial(self._reject_lines, batch, result) if result.rejects else None
                if piece or rejects or result.problems:
                    yield Part(piece, rejects, result.rejects.count_by_code(), _by_code(result.problems))
                    self._spill.clear()
        if fault is not None:
            yield Part(None, partial(_whole_batch, batch, fault), {fault: 1}, {})
        last = held or Piece(batch.seq, batch.id, 0, 0, 0, b"" if self._wants == "ndjson" else None, True)
        yield Part(last._replace(is_last=True), None, {}, {})

    def _piece(self, batch: Batch, number: int, first_event: int, result: Result[Any]) -> Piece:
        return Piece(batch.seq, batch.id, number, first_event, result.events, result.output, False)

    def _reject_lines(self, batch: Batch, result: Result[Any]) -> Iterator[bytes]:
        for reject in result.rejects[:-1]:
            yield _reject_line(batch, reject)
        last = result.rejects[-1]
        # Only the last reject of a part can be too long for memory; the spill then holds all of its bytes.
        if last.byte_length <= len(last.raw):
            yield _reject_line(batch, last)
            return
        yield _reject_line(batch, last._replace(raw=b"")).removesuffix(b'"raw":""}\n') + b'"raw_base64":"'
        for piece in self._spill.pieces():
            yield b2a_base64(piece, newline=False)
        yield b'"}\n'


def normalizer_of(settings: SinkSettings, detectors: Sequence[Any] = ()) -> Normalizer:
    """Return the normalizer of a sink, with detectors that find alerts or annotate its events; raises SettingsError."""
    schema = settings.schema
    # Each process of a sink reads the mapping, and a FIFO can be read once.
    if is_special(schema):
        raise SettingsError(f"sink {settings.name}: {schema}: it is not a regular file")
    try:
        return Normalizer(
            schema,
            dataset=settings.dataset,
            keep_message=settings.keep_message,
            private_suffixes=settings.private_suffixes,
            input_format=settings.input_format,
            detect=detectors,
            on_detection="annotate" if detectors and not settings.alerts else "collect",
        )
    except ValueError as error:
        raise SettingsError(f"sink {settings.name}: {error}") from error


def results_of(stream: Stream[Any], body: bytes) -> Iterator[Result[Any]]:
    """Yield the results of a body, which is decompressed in steps."""
    from isal import igzip

    with igzip.GzipFile(fileobj=io.BytesIO(body)) as file:  # type: ignore[no-untyped-call]
        block = file.read(_BLOCK_BYTES)
        while block:
            following = file.read(_BLOCK_BYTES)
            yield from stream.parts(block, final=not following)
            block = following


def _reject_line(batch: Batch, reject: Reject) -> bytes:
    return b'{"batch":%d,%b\n' % (batch.seq, reject.to_json()[1:])


def _whole_batch(batch: Batch, code: str) -> Iterator[bytes]:
    """Yield the line for a batch of which no more can be converted: its stored body, as gzip in base64."""
    arrival = batch.arrival
    yield b'{"batch":%d,"line":1,"byte_offset":0,"byte_length":%d,"code":"%b","gzip_base64":"' % (
        batch.seq,
        arrival.decoded_bytes,
        code.encode("ascii"),
    )
    for start in range(0, len(arrival.body), _RAW_BYTES):
        yield b2a_base64(arrival.body[start : start + _RAW_BYTES], newline=False)
    yield b'"}\n'


def _by_code(problems: dict[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in problems.items():
        code = name.partition(":")[0]
        counts[code] = counts.get(code, 0) + count
    return counts
