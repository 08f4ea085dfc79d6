"""The summary of a run as JSON, for other programs (``--summary-json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..io.inputs import InputFault
from ..io.paths import text_of
from .conversion import Conversion

__all__ = ["summary_line"]

#: Incremented when a member is renamed, removed or changes its meaning, and not when one is added.
_FORMAT = 1


def summary_line(
    conversion: Conversion,
    *,
    inputs: int,
    not_read: Mapping[str, int] | None,
    seconds: float,
    end: str,
    signal: str | None,
    failure: str | None,
    code: int,
) -> bytes:
    """Return the totals of a run as one line of JSON; ``docs/codes.md`` describes the members.

    Parameters
    ----------
    inputs : int
        Number of inputs that were named; of what is listed, of the files or objects.
    not_read : mapping of str to int, or None
        The number of listed files and objects that were not read, by reason; None if no input is listed.
    seconds : float
        Duration of the conversion.
    end : {"complete", "interrupted", "closed", "failed"}
        How the run ended: with all inputs converted, by a signal, because the reader of the events stopped reading,
        or because an output could not be written.
    signal, failure : str or None
        The name of the signal, and the error of the output.
    code : int
        The exit code.
    """
    tally = conversion.tally
    line: dict[str, Any] = {
        "format": _FORMAT,
        "end": end,
        "signal": signal,
        "failure": None if failure is None else text_of(failure),
        "exit_code": code,
        "inputs": inputs,
        "skipped": [text_of(name) for name in tally.skipped],
        "faults": [
            {
                "input": text_of(name),
                "reason": fault.reason if isinstance(fault, InputFault) else fault.code,
                "byte_offset": fault.byte_offset if isinstance(fault, InputFault) else None,
            }
            for name, fault in conversion.faults
        ],
        "unknown_inputs": [
            {"input": text_of(each.name), "records": each.records, "keys": each.keys} for each in conversion.unknown
        ],
        "unused_columns": [text_of(name) for name in tally.unused_columns],
        "lines": tally.lines,
        "events": tally.events,
        "blank": tally.blank,
        "unknown": tally.unknown,
        "problems": dict(sorted(tally.problems.items())),
        "rejects": {
            code: {"count": count, "first": _position(*tally.first[code])}
            for code, count in sorted(tally.rejects.items())
        },
        "unfinished_bytes": tally.unfinished_bytes,
        "seconds": round(seconds, 6),
        "events_per_second": tally.events_per_second(seconds),
    }
    if not_read is not None:
        line["not_read"] = dict(sorted(not_read.items()))
    if conversion.alerts is not None:
        line["alerts"] = conversion.alerts.counts()
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def _position(name: str, line: int, byte_offset: int) -> dict[str, Any]:
    return {"input": text_of(name), "line": line, "byte_offset": byte_offset}
