"""The golden cases of detection, through the core and the reference, collected and annotated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from golden import DETECTIONS, DetectionCase, flatten

from cfdns_fast import Normalizer, Result, reference
from cfdns_fast.detect import Feed, Indicators, Rules, Sliver

_ADDED = ("rule", "threat", "cfdns")
_NUMBERS = ("event", "matcher", "rule", "detail", "start")


def detectors_of(case: DetectionCase, folder: Path) -> list[Any]:
    made: list[Any] = [Sliver()] if case.sliver else []
    if case.feed is not None:
        (folder / "feed").write_text(case.feed)
        allow = []
        if case.allow is not None:
            (folder / "allow").write_text(case.allow)
            allow = [folder / "allow"]
        made.append(Indicators.load(Feed(folder / "feed", name="golden"), allow=allow, **case.load))
    if case.rules is not None:
        pytest.importorskip("yaml", reason="rules are YAML")
        (folder / "rule.yml").write_text(case.rules)
        made.append(Rules.load(folder / "rule.yml"))
    return made


def members(detection: Any) -> dict[str, Any]:
    """Return the members of a detection as cases have them: numbers that are 0, and the field of a name, are absent."""
    found = {name: getattr(detection, name) for name in _NUMBERS if getattr(detection, name)}
    return found | {"name": detection.name} | ({} if detection.field == "name" else {"field": detection.field})


def without_matchers(result: Result[bytes]) -> Result[bytes]:
    """Return a result for comparison: a detector of Sliver makes a new matcher for each conversion."""
    return replace(result, detections=tuple(each._replace(by=None) for each in result.detections))


@pytest.mark.parametrize("case", DETECTIONS, ids=lambda case: case.name[:70])
def test_golden_detection(case: DetectionCase, tmp_path: Path) -> None:
    detect = detectors_of(case, tmp_path)
    options = {"schema": "ecs", **case.options}
    plain = Normalizer(**options)
    normalizer = Normalizer(detect=detect, **options)
    result = normalizer.to_ndjson(case.data)
    expected = [{name: value for name, value in each.items() if value != 0} for each in case.found]
    assert [members(each) for each in result.detections] == expected
    assert result.output == plain.to_ndjson(case.data).output
    assert without_matchers(result) == without_matchers(reference.to_ndjson(case.data, detect=detect, **options))
    if case.added is None:
        return
    annotated = Normalizer(detect=detect, on_detection="annotate", **options)
    events = annotated.to_dicts(case.data).output
    added = [flatten({name: event[name] for name in _ADDED if name in event}) for event in events]
    assert added == list(case.added)
    twin = reference.to_ndjson(case.data, detect=detect, on_detection="annotate", **options)
    assert without_matchers(annotated.to_ndjson(case.data)) == without_matchers(twin)
    for event in events:
        for name in _ADDED:
            event.pop(name, None)
    assert events == plain.to_dicts(case.data).output
