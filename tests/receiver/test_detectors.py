"""Feeds and rules of a sink process that follow their files, and never stop it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("isal", reason="the extra receiver is not installed")
pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix

from cfdns_fast import Normalizer
from cfdns_fast.receiver import detection
from cfdns_fast.receiver.detect_settings import DetectSettings
from cfdns_fast.receiver.detectors import FollowedDetectors, loaded_detectors
from cfdns_fast.receiver.settings import SettingsError, SinkSettings
from cfdns_fast.receiver.sink_task import SinkTask
from cfdns_fast.sinks import Counters
from cfdns_fast.spool import Arrival, Batch, hash_of

pytestmark = needs_posix

BROKEN = '{"type": "bundle", "objects": ['
RULE = """
title: Fine
level: low
logsource: {category: dns}
detection: {selection: {query: NAME}, condition: selection}
"""


class Followed:
    """Detectors of files in a folder, with the log and the counters."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        paths = {
            name: tuple(str(folder / each) for each in value) if isinstance(value, tuple) else value
            for name, value in settings.items()
        }
        self.counters = Counters()
        self.log: list[tuple[str, str]] = []
        self.detectors = FollowedDetectors(DetectSettings(**paths), self.counters, lambda *line: self.log.append(line))
        self.detectors.load()

    def found(self, *names: str) -> list[str]:
        data = "".join(json.dumps({"QueryName": name}) + "\n" for name in names).encode()
        return [each.name for each in Normalizer(detect=self.detectors.current).to_ndjson(data).detections]

    def counts(self) -> tuple[int, int, int]:
        counts = self.counters.as_dict()
        return counts.get("feed_loads", 0), counts.get("feed_failures", 0), counts.get("indicators", 0)


def test_broken_feed_is_left_out_until_it_loads(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("bad.example\n")
    (tmp_path / "broken").write_text(BROKEN)
    followed = Followed(tmp_path, sliver=True, indicators=("good", "broken", "none"))
    assert followed.found("bad.example", "late.example") == ["bad.example"]
    assert followed.counts() == (1, 2, 1)
    assert [level for level, _ in followed.log] == ["error", "error", "info"]
    assert sorted(text.split(": ")[1] for _, text in followed.log[:2]) == ["feed.json", "feed.unreadable"]
    followed.detectors.poll()
    assert followed.counts() == (1, 3, 1)
    (tmp_path / "broken").write_text("late.example\n")
    (tmp_path / "none").write_text("none.example\n")
    before = followed.detectors.current
    followed.detectors.poll()
    assert followed.detectors.current is not before
    assert followed.found("bad.example", "late.example", "none.example") == [
        "bad.example",
        "late.example",
        "none.example",
    ]


def test_corrected_feed_does_not_wait_for_another(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(BROKEN)
    (tmp_path / "two").write_text(BROKEN)
    followed = Followed(tmp_path, indicators=("one", "two"))
    assert followed.detectors.current == ()
    (tmp_path / "one").write_text("one.example\n")
    followed.detectors.poll()
    assert followed.found("one.example", "two.example") == ["one.example"]
    assert followed.counts() == (1, 3, 1)
    (tmp_path / "two").write_text("two.example\n")
    followed.detectors.poll()
    assert followed.found("one.example", "two.example") == ["one.example", "two.example"]
    assert followed.counts() == (2, 3, 2)


def test_fifo_is_no_feed_and_no_rule(tmp_path: Path) -> None:
    """Opening it would wait, and it could not be read again."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "feed").write_text("bad.example\n")
    followed = Followed(tmp_path, indicators=("feed", "fifo"), rules=("fifo",))
    assert followed.found("bad.example") == ["bad.example"]
    assert sum("not a regular file" in text for level, text in followed.log if level == "error") == 2
    fifo = (str(tmp_path / "fifo"),)
    for settings in (
        DetectSettings(rules=fifo),
        DetectSettings(indicators=fifo),
        DetectSettings(indicators=(str(tmp_path / "feed"),), allow=fifo),
    ):
        with pytest.raises(SettingsError, match="not a regular file"):
            loaded_detectors(settings)


def test_feed_that_breaks_later_stays_in_use(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("bad.example\n")
    followed = Followed(tmp_path, indicators=("feed",))
    before = followed.detectors.current
    (tmp_path / "feed").write_text(BROKEN)
    for _ in range(3):
        followed.detectors.poll()
    assert followed.counts() == (1, 3, 1)
    assert followed.found("bad.example") == ["bad.example"]
    (tmp_path / "feed").write_text("other.example\nthird.example\n")
    followed.detectors.poll()
    assert followed.counts() == (2, 3, 2)
    assert followed.found("bad.example", "other.example") == ["other.example"]
    assert followed.detectors.current is before
    assert [level for level, _ in followed.log] == ["info", "error", "info"]


def test_feeds_wait_for_the_allowed_names(tmp_path: Path) -> None:
    """A feed without its allowed names would give false alarms."""
    (tmp_path / "feed").write_text("bad.example\n")
    followed = Followed(tmp_path, indicators=("feed",), allow=("allow",))
    assert followed.detectors.current == ()
    followed.detectors.poll()
    assert followed.counts()[1] == 2
    (tmp_path / "allow").write_text("good.bad.example\n")
    followed.detectors.poll()
    assert followed.found("x.bad.example", "good.bad.example") == ["x.bad.example"]


def test_rules_are_loaded_again(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="rules are YAML")
    followed = Followed(tmp_path, sliver=True, rules=("rules",))
    assert [type(each).__name__ for each in followed.detectors.current] == ["Sliver"]
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.yml").write_text(RULE.replace("NAME", "one.example"))
    followed.detectors.poll()
    assert followed.found("one.example", "two.example") == ["one.example"]
    (tmp_path / "rules" / "one.yml").write_text("title: [")
    followed.detectors.poll()
    assert followed.found("one.example", "two.example") == ["one.example"]
    (tmp_path / "rules" / "one.yml").write_text(RULE.replace("NAME", "two.example"))
    followed.detectors.poll()
    assert followed.found("one.example", "two.example") == ["two.example"]
    assert followed.counts()[:2] == (2, 2)


def test_check_names_the_fault(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("bad.example\nlow.example\n192.0.2.1\n")
    settings = DetectSettings(sliver=True, indicators=(str(tmp_path / "feed"),), addresses=True)
    detectors, notes = loaded_detectors(settings)
    assert (len(detectors), notes) == (2, ["sliver", "3 indicators"])
    with pytest.raises(SettingsError, match=r"detect: .*none: feed\.unreadable"):
        loaded_detectors(DetectSettings(indicators=(str(tmp_path / "none"),)))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"min_confidence": 101, "indicators": ("x",)}, "min_confidence"),
        ({"min_confidence": True, "indicators": ("x",)}, "min_confidence"),
        ({"addresses": True}, "go with indicators"),
        ({"allow": ("x",)}, "go with indicators"),
        ({"poll_s": 0.5}, "poll"),
        ({"poll_s": 1e6}, "poll"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        DetectSettings(**settings)


@pytest.mark.slow
def test_feed_that_cannot_be_opened_delays_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load waits, as on a file system that does not answer."""
    is_answered, loaded = threading.Event(), threading.Event()

    def load(self: FollowedDetectors) -> None:
        is_answered.wait()
        loaded.set()

    monkeypatch.setattr(FollowedDetectors, "load", load)
    monkeypatch.setattr(detection, "_LOAD_WAIT_S", 0.2)
    sink = SinkSettings(name="out", url="-", annotate=True)
    settings = DetectSettings(sliver=True, indicators=(str(tmp_path / "feed"),))
    task = SinkTask(
        sink=sink, state=tmp_path, keep_s=0, drain_s=1, max_dead_letter_bytes=0, max_reject_bytes=0, detect=settings
    )
    log: list[str] = []
    made = detection.Detection(task, Counters(), lambda _, text: log.append(text))
    made.start()
    assert log == ["feeds and rules are not loaded after 0 s; the sink begins without them"]
    with contextlib.closing(made.converter("ndjson", tmp_path, lambda: 0)) as converter:
        body = gzip.compress(b'{"QueryName":"11d5hqrb342f4y93bc2qegjf.any-name.test"}\n')
        batch = Batch(1, 0, Arrival("key", "/x", "dns_logs", 1, 60, hash_of(body), body))
        (piece,) = [part.piece for part in converter.parts(batch) if part.piece]
    assert b"cfdns-sliver" in piece.data
    is_answered.set()
    assert loaded.wait(60)
