"""Every word of the mapping language, in both implementations and every writer (language.toml)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.mappings import write_mapping

CASES = tomllib.loads((Path(__file__).parent / "language.toml").read_text(encoding="utf-8"))["case"]


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_mapping_word_gives_the_documented_events(case: dict[str, Any], implementation: Any, tmp_path: Path) -> None:
    path = write_mapping(tmp_path, case["mapping"])
    data = "\n".join(lines(case["input"])).encode()
    expected = [json.loads(line) for line in lines(case["events"])]

    built = implementation.to_dicts(data, path)
    assert built.output == expected
    assert built.problems == case.get("problems", {})
    assert not built.rejects
    written = implementation.to_ndjson(data, path)
    assert lines(written.output.decode()) == [
        json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in expected
    ]
    assert written.problems == built.problems


def test_long_lists_take_linear_time(native: Any, tmp_path: Path) -> None:
    # For 60,000 different values, quadratic time would be longer than the time limit of a run.
    path = write_mapping(
        tmp_path,
        '[[field]]\nfrom="A"\nto="a"\nkind="text"\nlist=true\n[[field]]\nto="b"\nkind="collect"\nof=["a"]\n',
    )
    values = [str(i) for i in range(60_000)]
    data = json.dumps({"A": values + values}).encode()
    (event,) = native.to_dicts(data, path, max_record_bytes=2**30).output
    assert event == {"a": values + values, "b": values}
    assert json.loads(native.to_ndjson(data, path, max_record_bytes=2**30).output) == event


def test_events_share_no_lists(native: Any, tmp_path: Path) -> None:
    path = write_mapping(
        tmp_path,
        '[[field]]\nfrom="A"\nto="a"\nkind="text"\nlist=true\nkeep_empty=true\n'
        '[[field]]\nfrom="A"\nto="b"\nkind="text"\nlist=true\nkeep_empty=true\n',
    )
    first, second = native.to_dicts(b'{"A":["x"]}{"A":[]}', path).output
    first["a"].append("y")
    second["a"].append("z")
    assert (first["b"], second["b"]) == (["x"], [])
    assert native.to_dicts(b'{"A":[]}', path).output == [{"a": [], "b": []}]
