"""Both implementations agree with values from the tests of other projects (tests/corpus/README.md)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest
import tldextract

CORPUS = Path(__file__).parent / "corpus"
PARTS = ("registered_domain", "subdomain", "top_level_domain")


# Two rows are URLs whose host the platform split. As DNS names they have other parts, because the blank and the path
# belong to the last label.
URLS_AS_NAMES = {
    "reflec.xxx.com ": (None, "reflec.xxx", None),
    "sekoiaio.cloudflareaccess.com/cdn-cgi/access/sso/saml/" + 64 * "0": (None, "sekoiaio.cloudflareaccess", None),
}


def rows(file: str) -> list[Any]:
    return [json.loads(line) for line in (CORPUS / file).read_text(encoding="utf-8").splitlines()]


def convert(implementation: Any, records: list[str]) -> list[dict[str, Any]]:
    result = implementation.to_dicts("\n".join(records).encode("utf-8"))
    assert result.events == len(records)
    assert not result.rejects
    return result.output


def questions(implementation: Any, names: list[str]) -> list[dict[str, str]]:
    events = convert(implementation, [json.dumps({"QueryName": name}, ensure_ascii=False) for name in names])
    return [event.get("dns", {}).get("question", {}) for event in events]


def timestamps(implementation: Any, values: list[str]) -> list[str | None]:
    events = convert(implementation, [f'{{"Timestamp":{value}}}' for value in values])
    return [event.get("@timestamp") for event in events]


def without_none(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if value is not None}


def host_of(url: str) -> str:
    return url.strip(" ").partition("/")[0] if url in URLS_AS_NAMES else url


@pytest.mark.parametrize(("file", "count"), [("domain_splits.jsonl", 204), ("edge_names.jsonl", 48)])
def test_name_split_equals_the_corpus(implementation: Any, file: str, count: int) -> None:
    expected = rows(file)
    assert len(expected) == count
    names = [host_of(name) for name, *_ in expected]
    for name, (_, *parts), question in zip(names, expected, questions(implementation, names), strict=True):
        assert question == without_none({"name": name.strip("."), **dict(zip(PARTS, parts, strict=True))})


def test_name_split_treats_a_url_as_a_name(implementation: Any) -> None:
    assert set(URLS_AS_NAMES) < {name for name, *_ in rows("domain_splits.jsonl")}
    found = questions(implementation, list(URLS_AS_NAMES))
    for (name, parts), question in zip(URLS_AS_NAMES.items(), found, strict=True):
        assert question == without_none({"name": name, **dict(zip(PARTS, parts, strict=True))})


def test_name_split_equals_tldextract(implementation: Any) -> None:
    """The platform does not split these names."""
    names = rows("unsplit_names.jsonl")
    extractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    for name, question in zip(names, questions(implementation, names), strict=True):
        name = name.strip(".")
        # tldextract must read the name as a host: some names hold a slash, as URLs do.
        parts = extractor.extract_urllib(SplitResult("", name, "", "", ""))
        expected = (name, parts.top_domain_under_public_suffix, parts.subdomain, parts.suffix)
        assert question == {key: value for key, value in zip(("name", *PARTS), expected, strict=True) if value}


@pytest.mark.parametrize("quote", ["", '"'])
def test_numeric_timestamp_agrees_within_a_microsecond(implementation: Any, quote: str) -> None:
    expected = rows("epoch_timestamps.jsonl")
    assert len(expected) == 316
    found = timestamps(implementation, [f"{quote}{number}{quote}" for number, _, _ in expected])
    for (number, unit, text), timestamp in zip(expected, found, strict=True):
        assert timestamp is not None, (number, unit)
        difference = datetime.fromisoformat(timestamp) - datetime.fromisoformat(text)
        assert abs(difference) <= timedelta(microseconds=1), (number, unit)


def test_rfc3339_timestamp_is_equal(implementation: Any) -> None:
    expected = rows("rfc3339_timestamps.jsonl")
    assert len(expected) == 561
    found = timestamps(implementation, [f'"{text}"' for text, _ in expected])
    assert dict(zip((text for text, _ in expected), found, strict=True)) == dict(expected)


@pytest.mark.parametrize("row", rows("dns_logs_events.jsonl"), ids=lambda row: row["test"])
def test_intake_test_record_gives_an_equal_event(implementation: Any, row: dict[str, Any]) -> None:
    expected = row["expected"]
    expected["event"]["kind"] = "event"
    assert implementation.parse(row["message"].encode("utf-8")) == expected
