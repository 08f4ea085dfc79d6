"""Read the events of detections from the output of a conversion, no more of them than is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .. import Detection
from .feeds.times import time_ns

__all__ = ["EventReader", "event_time_ns", "time_of_event"]

_TIME_KEY = b'"@timestamp":"'
_FIRST_KEY = b"{" + _TIME_KEY
#: The key of the same text in events of OCSF.
_OCSF_TIME_KEY = b'"time_dt":"'


class EventReader:
    """Events of NDJSON, of a list of dicts or of a record batch, or one event. Use it on one thread at a time.

    Parameters
    ----------
    output : bytes, list of dict, pyarrow.RecordBatch, or dict
        `Result.output`, or the event.

    Raises
    ------
    TypeError
        It is none of these.
    """

    def __init__(self, output: Any) -> None:
        if not isinstance(output, bytes | list | Mapping) and not hasattr(output, "column_names"):
            raise TypeError(f"the output must be bytes, a list of dicts or a RecordBatch, not {type(output).__name__}")
        self._output = output
        self._event: Mapping[str, Any] = {}
        self._number = -1

    def event(self, detection: Detection) -> Mapping[str, Any]:
        """Return the event as nested dicts. It must not be changed."""
        if detection.event != self._number:
            self._event = _event_of(self._output, detection)
            self._number = detection.event
        return self._event

    def occurred(self, detection: Detection) -> str | None:
        """Return the time of the event, its ``@timestamp`` (in OCSF ``time_dt``); None if it has none."""
        if not isinstance(self._output, bytes):
            return time_of_event(self.event(detection))[0]
        return self.occurred_at(detection.byte_offset)

    def occurred_at(self, start: int) -> str | None:
        """Return the time of the event that begins at a position of NDJSON; None if it has none."""
        output: bytes = self._output
        # Within text a quotation mark is escaped, so the key cannot be found in a value.
        if output.startswith(_FIRST_KEY, start):
            at = start + len(_FIRST_KEY)
        else:
            end = output.index(b"\n", start)
            key = _TIME_KEY
            at = output.find(key, start, end)
            if at < 0:
                key = _OCSF_TIME_KEY
                at = output.find(key, start, end)
            if at < 0:
                return None
            at += len(key)
        return output[at : output.index(b'"', at)].decode("utf-8")


def time_of_event(event: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Return the text of the time of an event and the time in nanoseconds since 1970, each None if there is none.

    The text is the ``@timestamp``, or ``time_dt`` in OCSF.

    A mapping of the user may write anything there; what is not text is no time.
    """
    found = event.get("@timestamp", event.get("time_dt"))
    return (found, event_time_ns(found)) if isinstance(found, str) else (None, None)


def event_time_ns(occurred: str) -> int | None:
    """Return the time of an event in nanoseconds since 1970; None if the text is not a time."""
    second_ns = _time_ns(f"{occurred[:19]}Z")
    fraction = occurred[19:]
    if second_ns is not None:
        if fraction == "Z":
            return second_ns
        digits = fraction[1:-1]
        if fraction[:1] == "." and fraction[-1:] == "Z" and len(digits) <= 9 and digits.isdecimal():
            return second_ns + int(digits.ljust(9, "0"))
    # A mapping of the user may write times in another form.
    return _time_ns(occurred)


# The records of a batch are of a few seconds.
@lru_cache(maxsize=1 << 10)
def _time_ns(text: str) -> int | None:
    try:
        return time_ns(text)
    except ValueError:
        return None


def _event_of(output: Any, detection: Detection) -> Mapping[str, Any]:
    if isinstance(output, bytes):
        found = json.loads(output[detection.byte_offset : output.index(b"\n", detection.byte_offset)])
        assert isinstance(found, dict)
        return found
    if isinstance(output, Mapping):
        return output
    if isinstance(output, list):
        return output[detection.event]  # type: ignore[no-any-return]
    from .arrow_rows import event_of_row

    return event_of_row(output, detection.event)
