"""Add to events what was found in them (``on_detection="annotate"``)."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .._core import Detections
from ..results import Detection, EventIterator, Result
from .detector import Annotation, Detector
from .ocsf import enrichment, is_ocsf

if TYPE_CHECKING:
    from .._core import Rejects

__all__ = ["ANNOTATED_KEYS", "AnnotatedEvents", "Annotator"]

#: The members that an annotation may add to an event. A mapping may not have them.
ANNOTATED_KEYS = ("rule", "threat", "cfdns")

#: One encoder for all events: json.dumps() makes a new one at every call with options.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Annotator:
    """Adds annotations to events. It may be used from many threads at once.

    Parameters
    ----------
    detectors : sequence of Detector
        The objects of the option ``detect``, in the order of `Detection.matcher`.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors

    def members(self, detections: Iterable[Detection], event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members that the detections of an event add to it."""
        found = [(each, self._detectors[each.matcher].annotation(each, event)) for each in detections]
        annotations = [(each, annotation) for each, annotation in found if annotation is not None]
        if is_ocsf(event):
            enrichments = [enrichment(each, _members([annotation])) for each, annotation in annotations]
            return {"enrichments": enrichments} if enrichments else {}
        return _members([annotation for _, annotation in annotations])

    def to_events(self, result: Result[list[dict[str, Any]]]) -> Result[list[dict[str, Any]]]:
        """Add the members to dicts, in place."""
        for number, detections in groupby(result.detections, attrgetter("event")):
            event = result.output[number]
            event |= self.members(detections, event)
        return result

    def to_lines(self, result: Result[bytes]) -> Result[bytes]:
        """Return a result with the members in its lines of NDJSON, and the positions that the events have then.

        Raises ValueError if an annotation is not JSON, because it has NaN or Infinity.
        """
        if not result.detections:
            return result
        output = result.output
        pieces: list[bytes] = []
        offsets = array("Q")
        done = added_bytes = 0
        for _, group in groupby(result.detections, attrgetter("event")):
            detections = list(group)
            start = detections[0].byte_offset
            end = output.index(b"\n", start)
            offsets.extend([start + added_bytes] * len(detections))
            event = json.loads(output[start:end])
            members = self.members(detections, event)
            if not members:
                continue
            # Every member of the event ends before its last bracket; an event may have none.
            # A text of a feed may have a surrogate, which UTF-8 cannot have.
            try:
                text = _to_json(members)[1:].encode("utf-8", "replace")
            except ValueError as error:
                raise ValueError(self._fault(detections, event)) from error
            comma = b"," if end - start > len(b"{}") else b""
            pieces += (output[done : end - 1], comma, text)
            added_bytes += len(comma) + len(text) - 1
            done = end
        pieces.append(output[done:])
        detections_of = result.detections
        assert isinstance(detections_of, Detections)
        return replace(result, output=b"".join(pieces), detections=detections_of._at_offsets(offsets))

    def _fault(self, detections: Iterable[Detection], event: Mapping[str, Any]) -> str:
        """Return which detector gave an annotation that is not JSON."""
        for detection in detections:
            try:
                _to_json(self.members([detection], event))
            except ValueError as error:
                kind = type(self._detectors[detection.matcher]).__name__
                return f"detector {detection.matcher} ({kind}): its annotation is not JSON: {error}"
        return "an annotation is not JSON"


class AnnotatedEvents:
    """The events of an iterator, with the members that detections add to them; an `EventIterator`."""

    def __init__(self, events: EventIterator, annotator: Annotator) -> None:
        self._events = events
        self._annotator = annotator
        self._seen = 0

    @property
    def events(self) -> int:
        return self._events.events

    @property
    def blank(self) -> int:
        return self._events.blank

    @property
    def rejects(self) -> Rejects:
        return self._events.rejects

    @property
    def problems(self) -> dict[str, int]:
        return self._events.problems

    @property
    def detections(self) -> Sequence[Detection]:
        return self._events.detections

    def __iter__(self) -> AnnotatedEvents:
        return self

    def __next__(self) -> dict[str, Any]:
        event = next(self._events)
        detections = self._events.detections
        if len(detections) > self._seen:
            event |= self._annotator.members(detections[self._seen :], event)
            self._seen = len(detections)
        return event


def _members(annotations: Sequence[Annotation]) -> dict[str, Any]:
    if not annotations:
        return {}
    first = min(annotations, key=lambda each: (-each.level, str(each.rule.get("id", ""))))
    enrichments = [dict(enrichment) for each in annotations for enrichment in each.enrichments]
    own: dict[str, Any] = {}
    for each in annotations:
        for key, value in each.own.items():
            own.setdefault(key, value)
    threat = dict(first.threat) | ({"enrichments": enrichments} if enrichments else {})
    members = {"rule": dict(first.rule), "threat": threat, "cfdns": own}
    return {key: value for key, value in members.items() if value}
