"""The rule for Sliver from records to alerts: corpora, names from public reports, and a beacon."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.alerts import alerts_of, record, summary

from cfdns_fast.detect import Sliver
from cfdns_fast.matching import SLIVER_MESSAGES, decode_sliver

CORPUS = Path(__file__).parents[1] / "corpus" / "sliver"
#: Longer than a window, so that each name is alone.
APART_S = 700


def rows(file: str) -> list[dict[str, str]]:
    with (CORPUS / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def messages_of(names: list[str], apart_s: float) -> list[str]:
    """Return the messages of which there are alerts."""
    records = [b"".join(record(name, number * apart_s) for number, name in enumerate(names))]
    return [each["cfdns"]["sliver"]["message"] for each in alerts_of([Sliver()], records, at_once=False)]


def test_each_positive_alone_gives_an_alert() -> None:
    positives = rows("positives.tsv")
    assert len(positives) >= 200
    expected = [row["message"] for row in positives if row["message"] != "TOTP0"]
    assert messages_of([row["name"] for row in positives], APART_S) == expected


@pytest.mark.parametrize("apart_s", [0, APART_S])
def test_benign_names_give_no_alert(apart_s: float) -> None:
    benign = [row["name"] for row in rows("benign.tsv")]
    assert len(benign) >= 2000
    assert messages_of(benign, apart_s) == []


def test_field_samples_give_alerts_as_reported() -> None:
    samples = rows("field_samples.tsv")
    expected = [row["expected_message"] for row in samples if row["expected_message"] not in ("none", "TOTP0")]
    assert messages_of([row["name"] for row in samples], APART_S) == expected


def test_totp0_of_any_parent_gives_no_alert() -> None:
    names = [row["name"] for row in rows("positives.tsv") if row["message"] == "TOTP0"]
    assert names
    assert messages_of(names * 3, 1) == []


@pytest.mark.parametrize("count", [600, pytest.param(100_000, marks=pytest.mark.slow)])
def test_shapes_of_early_versions_are_decoded(count: int) -> None:
    pytest.importorskip("google.protobuf", reason="the encoder writes messages with google.protobuf")
    from support.sliver_encoder import legacy_vectors

    wrong = []
    for vector in legacy_vectors(count, 3):
        found = decode_sliver(vector.name)
        if found is None or found != (vector.message, "legacy", None, vector.parent):
            wrong.append(vector)
    assert wrong == []


def test_beacon_is_critical_from_its_second_name() -> None:
    pytest.importorskip("google.protobuf", reason="the encoder writes messages with google.protobuf")
    from support.sliver_encoder import beacon

    names = list(beacon("1.example.com", 9, check_ins=5))
    found = alerts_of([Sliver()], [record(name, second) for second, name in names], at_once=False)
    assert summary(found) == [("high", "closed", 1), ("critical", "closed", len(names) - 1)]
    assert {each["cfdns"]["sliver"]["parent"] for each in found} == {"1.example.com"}
    assert len({each["cfdns"]["sliver"]["session"] for each in found}) == 1
    assert found[1]["event"]["start"] < found[1]["event"]["end"]


def test_alone_each_message_has_its_level() -> None:
    """The messages of a corpus row, each below a parent of its own."""
    by_message = {row["message"]: row["name"] for row in rows("positives.tsv")}
    records = [record(name, number * APART_S) for number, name in enumerate(by_message.values())]
    found = alerts_of([Sliver()], [b"".join(records)], at_once=False)
    levels = {each["cfdns"]["sliver"]["message"]: each["cfdns"]["alert"]["level"] for each in found}
    medium = {"NOP", "TOTP", "L_DOMAINKEY", "L_CLEAR"}
    assert levels == {
        message: "medium" if message in medium else "high" for message in SLIVER_MESSAGES if message != "TOTP0"
    }
