"""Compare the result of a conversion with a case, and say what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from .. import Result
from .case import Case, Defaults
from .flatten import flatten

__all__ = ["mismatches_of"]

#: Stands for a value that is not there.
_NONE = object()
_MAX_CHARACTERS = 300
#: The number of equal characters that are shown before the first difference of two long texts.
_CONTEXT_CHARACTERS = 40


def mismatches_of(
    case: Case, result: Result[list[dict[str, Any]]], ndjson: bytes | None, defaults: Defaults
) -> list[str]:
    """Return what differs from a case, as lines to read; empty if nothing does.

    Each difference is a line that says where it is, a line with ``-`` and the expected value, and a line with ``+`` and
    the value that was found.

    Parameters
    ----------
    case : Case
    result : Result
        Of `Normalizer.to_dicts` with the data and the options of the case.
    ndjson : bytes or None
        The output of `Normalizer.to_ndjson` with the same; None if the case has no NDJSON.
    defaults : Defaults
        Of the mapping of the normalizer.
    """
    lines = list(_event_lines(case, result.output, defaults))
    rejects = [(each.line, each.byte_offset, each.byte_length, each.code) for each in result.rejects]
    expected = [(each.line, each.offset, each.length, each.code) for each in case.rejects]
    lines += _lines("rejects (line, offset, length, code)", expected, rejects)
    lines += _lines("blank", case.blank, result.blank)
    lines += _lines("problems", dict(sorted(case.problems.items())), dict(sorted(result.problems.items())))
    if case.ndjson is not None and ndjson is not None:
        lines += _lines("ndjson", case.ndjson.decode(), ndjson.decode())
    return lines


def _event_lines(case: Case, events: list[dict[str, Any]], defaults: Defaults) -> Iterator[str]:
    for number, (written, made) in enumerate(zip_longest(case.events, events), 1):
        if written is None or made is None:
            sides = (_NONE if side is None else side for side in (written, made))
            yield from _lines(f"event {number}", *sides)
            continue
        found = flatten(made)
        expected = {**defaults.constants, **written}
        for to in defaults.raw:
            if to in written or not case.options.get("keep_message", True):
                continue
            if case.messages is None:
                found.pop(to, None)
            else:
                expected[to] = case.messages[number - 1]
        for to in defaults.by_problem:
            if to not in written:
                found.pop(to, None)
        for to in {**expected, **found}:
            yield from _lines(f"event {number}, {to}", expected.get(to, _NONE), found.get(to, _NONE))


def _lines(place: str, expected: Any, found: Any) -> list[str]:
    """Return the lines of a difference; empty if the values are equal. JSON distinguishes true from 1."""
    texts = _json(expected), _json(found)
    if texts[0] == texts[1]:
        return []
    start = 0
    if max(map(len, texts)) > _MAX_CHARACTERS:
        first = next(
            (at for at, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), min(map(len, texts))
        )
        start = max(0, first - _CONTEXT_CHARACTERS)
    return [f"{place}:", f"  - {_cut(texts[0], start)}", f"  + {_cut(texts[1], start)}"]


def _json(value: Any) -> str:
    return "(none)" if value is _NONE else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _cut(text: str, start: int) -> str:
    end = start + _MAX_CHARACTERS
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
