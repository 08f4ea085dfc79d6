"""A receiver that detects: its configuration, alerts and annotated events, feeds that change, and kills."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

for library in ("tornado", "isal", "xxhash", "prometheus_client"):
    pytest.importorskip(library, reason="the extra receiver is not installed")

from support.alerts import nop, record  # noqa: E402
from support.command import needs_posix  # noqa: E402
from support.http_targets import Answer, HttpTarget  # noqa: E402
from support.receiver_process import ReceiverProcess  # noqa: E402

from cfdns_fast.cli.app import main  # noqa: E402

pytestmark = needs_posix

CONFIGURATION = """\
schema = "ecs"
[detect]
sliver = true
indicators = ["feed.txt"]
addresses = true
poll = "{poll}"
alerts = "{url}/alerts/?rotate=1s&format=ndjson"
[[sink]]
name = "events"
url = "{url}/events/?rotate=1s&format=ndjson"
annotate = {annotate}
"""


def configured(folder: Path, *, annotate: bool = False, poll: str = "1s") -> str:
    return CONFIGURATION.format(url=f"file://{folder}", annotate=str(annotate).lower(), poll=poll)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("[!.]*.ndjson"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["receive", *arguments])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out + printed.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keys").touch(mode=0o600)
    (tmp_path / "keys").write_text("a = 0123456789abcdef-0123456789\n")
    (tmp_path / "feed.txt").write_text("bad.example\n198.51.100.7\n")
    return tmp_path


def check(folder: Path, capsys: pytest.CaptureFixture[str], text: str, *arguments: str) -> tuple[int, str]:
    """Return the exit code and the output of ``--check`` with a configuration."""
    start = 'state = "state"\nkeys = "keys"\nlisten = "127.0.0.1:0"\nmin_free = 0\n'
    (folder / "receive.toml").write_text(start + text)
    return checked(capsys, "--check", "--config", str(folder / "receive.toml"), *arguments)


def test_check_loads_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = check(folder, capsys, configured(folder))
    assert code == 0, output
    assert "detect: ok, sliver, 2 indicators\n" in output
    assert "sink alerts: ok, files" in output
    (folder / "feed.txt").write_text("")
    code, output = check(folder, capsys, configured(folder))
    assert code == 2
    assert "feed.txt: feed.empty" in output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detect]\nslivr = true\n", "did you mean sliver?"),
        ("[detect]\nsliver = 1\n", "sliver must be true or false"),
        ("detect = true\n", "as a table [detect]"),
        ("sliver = true\n", "the key 'sliver' belongs to the table [detect]"),
        ("indicators = 'x'\n", "the key 'indicators' belongs to the table [detect]"),
        ("[detect]\nsliver = true\n", "nothing would be done with what is found"),
        ("[detect]\nannotate = true\n", "something to look for"),
        ("[detect]\nmin_confidence = 'x'\n", "min_confidence must be a whole number"),
        ("[detect]\nindicators = [7]\n", "indicators must be text"),
        ("[detect]\nsliver = true\nalerts = ''\n", "alerts must be text"),
        ("[detect]\nsliver = true\nalerts = 'https://x.example/'\n", "alerts need a target of NDJSON; add send=ecs"),
        ("[detect]\nsliver = true\nalerts = 'other=nothing:x'\n", "unknown scheme"),
        ("[[sink]]\nurl = '-'\nalerts = 1\n", "alerts must be true or false"),
        ("[[sink]]\nurl = '-'\nalerts = true\nannotate = true\n[detect]\nsliver = true\n", "exclude each other"),
    ],
)
def test_wrong_configuration_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    sink = "" if "[[sink]]" in text else f'[[sink]]\nname = "out"\nurl = "file://{folder}/out/"\n'
    code, output = check(folder, capsys, text + sink)
    assert code == 2
    assert message in output


def test_mapping_that_cannot_be_annotated_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = configured(folder, annotate=True).replace('"ecs"', '"ecs"\ndataset = "gateway_dns"')
    code, output = check(folder, capsys, text)
    assert code == 2
    assert "rule" in output


def test_options_are_those_of_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = ("--sink", f"file://{folder}/out/")
    feed = ("--indicators", str(folder / "feed.txt"))
    code, output = check(folder, capsys, "", *sink, "--detect", "sliver", *feed, "--alerts", "found=-", "--annotate")
    assert code == 0, output
    assert "detect: ok, sliver, 1 indicators" in output
    assert "sink found: ok, stdout" in output


@pytest.mark.slow
def test_alerts_and_annotated_events_are_delivered(folder: Path) -> None:
    events, alerts = folder / "events", folder / "alerts"
    names = [nop(7_000_000, 1, "c2.example"), "www.fine.example", nop(7_000_000, 2, "c2.example"), "x.bad.example"]
    with ReceiverProcess(folder, configured(folder, annotate=True, poll="off")) as receiver:
        body = b"".join(record(name, second) for second, name in enumerate(names))
        body += record("a.example", 5, SourceIP="198.51.100.7")
        assert receiver.post(gzip.compress(body))[0] == 200
        receiver.wait_for(lambda: len(lines_of(events)) == 5 and len(lines_of(alerts)) == 4)
        ids = [each.get("rule", {}).get("id") for each in lines_of(events)]
        assert ids == ["cfdns-sliver", None, "cfdns-sliver", "cfdns-indicators", "cfdns-indicators"]
        found = [
            (each["cfdns"]["alert"]["level"], each["cfdns"]["alert"]["key"].split()[0]) for each in lines_of(alerts)
        ]
        assert found == [
            ("medium", "c2.example"),
            ("critical", "c2.example"),
            ("high", "bad.example"),
            ("high", "source.ip"),
        ]
        assert receiver.metric('cfdns_sink_indicators{sink="alerts"}') == 2
        assert receiver.metric('cfdns_sink_detections_total{sink="alerts"}') == 4
        # A feed that changes, and one that breaks.
        (folder / "feed.txt").write_text("fine.example\n")
        receiver.process.send_signal(signal.SIGHUP)
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_feed_loads_total{sink="alerts"}') == 2)
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_feed_loads_total{sink="events"}') == 2)
        (folder / "feed.txt").write_text("")
        receiver.process.send_signal(signal.SIGHUP)
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_feed_failures_total{sink="alerts"}') == 1)
        assert receiver.post(gzip.compress(record("x.bad.example", 8) + record("www.fine.example", 9)))[0] == 200
        receiver.wait_for(lambda: len(lines_of(events)) == 7 and len(lines_of(alerts)) == 5)
        assert [each.get("rule", {}).get("id") for each in lines_of(events)[5:]] == [None, "cfdns-indicators"]
        assert receiver.stop() == 0


@pytest.mark.slow
def test_broken_feed_does_not_stop_the_receiver(folder: Path) -> None:
    (folder / "feed.txt").write_text('{"objects": [')
    with ReceiverProcess(folder, configured(folder, annotate=True)) as receiver:
        body = record("x.bad.example") + record(nop(7_000_000, 1, "c2.example"))
        assert receiver.post(gzip.compress(body))[0] == 200
        receiver.wait_for(lambda: len(lines_of(folder / "events")) == 2 and len(lines_of(folder / "alerts")) == 1)
        assert receiver.metric('cfdns_sink_feed_failures_total{sink="events"}') >= 1
        (folder / "feed.txt").write_text("bad.example\n")
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_indicators{sink="alerts"}') == 1)
        receiver.wait_for(lambda: receiver.metric('cfdns_sink_indicators{sink="events"}') == 1)
        assert receiver.post(gzip.compress(record("x.bad.example")))[0] == 200
        receiver.wait_for(lambda: len(lines_of(folder / "events")) == 3 and len(lines_of(folder / "alerts")) == 2)
        assert receiver.stop() == 0


def _kill(receiver: ReceiverProcess, sink: str) -> None:
    """Kill the process of a sink, which may wait for its next start, and wait until that is counted."""
    sample = f'cfdns_sink_restarts_total{{sink="{sink}"}}'
    seen = receiver.metric(sample)

    def is_killed() -> bool:
        started = [each["message"] for each in receiver.log if each.get("sink") == sink]
        numbers = [int(text.rpartition(" ")[2]) for text in started if text.startswith("runs as process")]
        with contextlib.suppress(ProcessLookupError):
            os.kill(numbers[-1], signal.SIGKILL)
            return True
        return False

    receiver.wait_for(is_killed)
    receiver.wait_for(lambda: receiver.metric(sample) > seen)


@pytest.mark.slow
def test_killed_process_loses_no_alert(folder: Path) -> None:
    """The process of the alerts is killed again and again; the counts are those of all detections."""
    alerts = folder / "alerts"
    with ReceiverProcess(folder, configured(folder)) as receiver:
        for number in range(30):
            second = number * 10
            assert receiver.post(gzip.compress(record("x.bad.example", second) + record("a.example", second)))[0] == 200
            if number % 10 == 4:
                _kill(receiver, "alerts")
                receiver.wait_for(lambda: receiver.metric('cfdns_sink_up{sink="alerts"}') == 1)
        assert receiver.post(gzip.compress(record("a.example", 3000)))[0] == 200
        receiver.wait_for(lambda: any(each["cfdns"]["alert"]["state"] == "closed" for each in lines_of(alerts)))
        assert receiver.stop() == 0
    found = [
        (each["event"]["id"], each["cfdns"]["alert"]["state"], each["cfdns"]["alert"]["count"])
        for each in lines_of(alerts)
    ]
    assert [(state, count) for _, state, count in found] == [("open", 1), ("closed", 30)]
    assert found[0][0] == found[1][0]


@pytest.mark.slow
def test_kills_with_requests_in_flight_lose_no_alert(folder: Path) -> None:
    """A third of the requests fail, some after the target has taken them; equal documents have equal ids."""
    source = random.Random(5)
    target = HttpTarget()
    target.rule = lambda _: Answer(source.choice([200, 200, 503, -1]))
    text = configured(folder).replace(f"file://{folder}/alerts/?rotate=1s&format=ndjson", target.url("send=ecs"))
    (folder / "feed.txt").write_text("".join(f"d{each}.example\n" for each in range(4)))
    try:
        with ReceiverProcess(folder, text) as receiver:
            for number in range(24):
                records = (record(f"n{each}.d{number // 6}.example", number * 100) for each in range(5))
                assert receiver.post(gzip.compress(b"".join(records)))[0] == 200
                if number % 8 == 5:
                    _kill(receiver, "alerts")
            assert receiver.post(gzip.compress(record("a.example", 9000)))[0] == 200
            receiver.wait_for(lambda: receiver.metric('cfdns_sink_lag_batches{sink="alerts"}') == 0)
            assert receiver.stop() == 0
        found = {
            (each["event"]["id"], each["cfdns"]["alert"]["state"]): each["cfdns"]["alert"]
            for each in map(json.loads, target.events())
        }
    finally:
        target.close()
    closed = [(each["key"], each["count"]) for (_, state), each in sorted(found.items()) if state == "closed"]
    # Windows of ten minutes hold six batches of five records.
    assert sorted(closed) == [(f"d{number}.example", 30) for number in range(4)]
    assert len(found) == 8


def test_start_refuses_what_no_feed_can_correct(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken feed is no reason not to start, and a mapping that cannot be annotated is one."""
    text = configured(folder, annotate=True).replace('"ecs"', '"ecs"\ndataset = "gateway_dns"')
    (folder / "receive.toml").write_text('state = "state"\nkeys = "keys"\nlisten = "127.0.0.1:0"\n' + text)
    code, output = checked(capsys, "--config", str(folder / "receive.toml"))
    assert code == 2
    assert "rule" in output
    assert not (folder / "state").exists()
