"""What the option ``detect`` of a `Normalizer` takes: objects that have a matcher, and that describe what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..results import Detection
from .names import NameTable, SharedNameTable
from .networks import NetworkTable
from .predicates import Predicates
from .sliver import SliverNames

__all__ = ["Annotation", "Detector", "Matcher"]

#: What is compiled into the loop.
Matcher = SliverNames | NameTable | SharedNameTable | NetworkTable | Predicates


class Annotation(NamedTuple):
    """What one detection adds to an event (``on_detection="annotate"``). The members hold JSON values, of which
    NaN and Infinity are none: `to_ndjson` raises ValueError, and names the detector.

    Of all detections of an event, the one with the highest level, and then the lowest ``rule["id"]``, gives ``rule``
    and ``threat``. The enrichments of all of them are joined, and so are their own members; of equal keys the first
    counts.

    Attributes
    ----------
    level : int
        The severity; higher is more severe.
    rule : Mapping
        The object ``rule`` of the event.
    threat : Mapping
        The object ``threat`` of the event, without ``enrichments``.
    enrichments : sequence of Mapping
        Added to ``threat.enrichments``.
    own : Mapping
        The object ``cfdns`` of the event.
    """

    level: int
    rule: Mapping[str, Any]
    threat: Mapping[str, Any] = {}
    enrichments: Sequence[Mapping[str, Any]] = ()
    own: Mapping[str, Any] = {}


class Detector(Protocol):
    """An object of the option ``detect``. It may be used from many threads at once."""

    def matcher(self) -> Matcher:
        """Return the matcher. It is asked once, when the `Normalizer` is made; to replace names later, return a
        `SharedNameTable` and assign its `table`.
        """

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        """Return what a detection adds to its event; None for nothing, for example if an indicator has expired.

        Only called with ``on_detection="annotate"``, for the first million detections of a call or a piece of input.
        The others, which `Detections.not_kept` counts, add nothing to their events.
        """
