"""What a conversion gives back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from ._core import Rejects

__all__ = ["RAW_LIMIT_BYTES", "Reject", "Result", "joined", "nothing"]

Output = TypeVar("Output")

#: How much of a reject's bytes `Reject.raw` keeps.
RAW_LIMIT_BYTES = 65536


class Reject(NamedTuple):
    """Bytes that did not become an event.

    Attributes
    ----------
    line : int
        1-based; lines end at byte 0x0A only.
    byte_offset, byte_length : int
        Where the bytes stand within the data of the call, in bytes.
    code : str
        A key of `cfdns_fast.errors.REJECT_CODES`.
    raw : bytes
        The first 64 KiB of them, a copy.
    """

    line: int
    byte_offset: int
    byte_length: int
    code: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Result(Generic[Output]):
    """The outcome of one batch. Records == events + rejects.

    Attributes
    ----------
    output : bytes, list[dict] or pyarrow.RecordBatch
        The events, in input order.
    events : int
        How many there are.
    blank : int
        Lines of only spaces, tabs, carriage returns and NULs, and runs of NULs where a record may begin.
    rejects : Rejects
        In input order.
    problems : dict[str, int]
        Fields left out of events, by ``"code:SourceKey"``, and records without a known key, by ``"record.unknown"``;
        codes from `cfdns_fast.errors.PROBLEM_CODES`.
    """

    output: Output
    events: int
    blank: int
    rejects: Rejects
    problems: dict[str, int]


def nothing() -> Result[bytes]:
    """Return what no bytes become; fresh, because its problems can be changed."""
    from ._core import Rejects  # not at the top: the compiled module imports this one

    return Result(b"", 0, 0, Rejects(), {})


def joined(parts: Iterable[Result[bytes]]) -> Result[bytes]:
    """Return the results of consecutive parts as one result."""
    from ._core import Rejects  # not at the top: the compiled module imports this one

    results = list(parts) or [nothing()]
    if len(results) == 1:
        return results[0]
    problems: Counter[str] = Counter()
    for result in results:
        problems.update(result.problems)
    return Result(
        b"".join(result.output for result in results),
        sum(result.events for result in results),
        sum(result.blank for result in results),
        Rejects(chain.from_iterable(result.rejects for result in results)),
        dict(problems),
    )
