"""Check the answers of all contenders, as parsed JSON, before they are timed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from types import ModuleType
from typing import Any

from .peers import load

#: Maximum number of lines of one corpus that the reference converts.
_REFERENCE_LINES = 10_000
#: Maximum share of wrong rows of an engine. Engines have other suffix lists or ignore wildcard rules.
TOLERATED_SHARE = 0.01

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


@dataclass(frozen=True)
class Expected:
    """The correct events of a corpus.

    Attributes
    ----------
    source : str
        The implementation that gave them.
    lines : tuple of bytes
        The events as NDJSON, without line ends.
    rejects : int
        The number of rejects.
    """

    source: str
    lines: tuple[bytes, ...]
    rejects: int

    def without_message(self) -> Expected:
        """Return the events without `message`."""
        events = (json.loads(line) for line in self.lines)
        lines = tuple(_encode({k: v for k, v in event.items() if k != "message"}).encode() for event in events)
        return Expected(self.source, lines, self.rejects)

    def first(self, count: int) -> Expected:
        """Return the first `count` events."""
        return Expected(self.source, self.lines[:count], self.rejects)


def _reference() -> ModuleType | None:
    try:
        from cfdns_fast import reference
    except ImportError:
        return None
    return reference


def expected(data: bytes) -> Expected:
    """Return the correct events of a corpus.

    cfdns_fast.reference converts at most 10,000 lines, because it is slow. For a larger corpus it converts every n-th
    line and the standard-library peer converts all lines, and the two must agree. If the package is not built, the
    peer's answers are not checked.
    """
    reference = _reference()
    pieces = data.split(b"\n")
    if reference is None:
        return Expected("the stdlib json peer", _from_peer(data), 0)
    step = -(-len(pieces) // _REFERENCE_LINES)
    result = reference.to_ndjson(b"\n".join(pieces[::step]))
    lines = tuple(result.output.split(b"\n")[:-1])
    if step == 1:
        return Expected("cfdns_fast.reference", lines, len(result.rejects))
    everything = _from_peer(data)
    if lines != everything[::step]:
        raise AssertionError("cfdns_fast.reference and the stdlib json peer give different answers")
    return Expected(f"the stdlib json peer, cfdns_fast.reference at every line in {step}", everything, 0)


def _from_peer(data: bytes) -> tuple[bytes, ...]:
    found, absent = load(["stdlib_json"])
    if not found:
        raise ImportError(f"nothing to compare answers with: {absent['stdlib_json']}")
    return tuple(found["stdlib_json"].to_ndjson(data).split(b"\n")[:-1])


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _canonical(event: Any) -> str:
    # Compared as text, because 1 and True are equal in Python.
    return json.dumps(event, sort_keys=True)


def _differs(right: bytes | None, event: Any, drop_nulls: bool) -> bool:
    if right is None:
        return True
    return _canonical(json.loads(right)) != _canonical(_without_nulls(event) if drop_nulls else event)


def differing_rows(right: Expected, output: bytes, *, drop_nulls: bool = False) -> int:
    """Return the number of lines of NDJSON that differ from the expected events, missing and surplus lines included."""
    got = output.split(b"\n")
    if got[-1]:
        return max(len(got), len(right.lines))  # the last line has no end, so the output is not NDJSON
    got.pop()
    count = 0
    for wanted, line in zip_longest(right.lines, got):
        if wanted != line and (line is None or _differs(wanted, json.loads(line), drop_nulls)):
            count += 1
    return count


def arrow_events(batch: Any) -> Iterator[dict[str, Any]]:
    """Yield the events of an Arrow batch: columns become objects, and times become text."""
    names = [name.split(".") for name in batch.schema.names]
    columns = []
    for column in batch.columns:
        if str(column.type).startswith("timestamp"):
            columns.append([_time_text(ns) for ns in column.cast("int64").to_pylist()])
        else:
            columns.append(column.to_pylist())
    for values in zip(*columns, strict=True):
        event: dict[str, Any] = {}
        for (*parents, leaf), value in zip(names, values, strict=True):
            if value is not None:
                node = event
                for key in parents:
                    node = node.setdefault(key, {})
                node[leaf] = value
        yield event


def _time_text(ns: int | None) -> str | None:
    if ns is None:
        return None
    time = datetime.fromtimestamp(ns // 10**9, UTC).replace(microsecond=ns // 1000 % 10**6)
    return time.isoformat().replace("+00:00", "Z")


def differing_events(right: Expected, events: Iterable[Any]) -> int:
    """Return the number of dicts that differ from the expected events, missing and surplus dicts included."""
    count = 0
    for wanted, event in zip_longest(right.lines, events):
        if wanted is None or event is None or (_encode(event).encode() != wanted and _differs(wanted, event, False)):
            count += 1
    return count
