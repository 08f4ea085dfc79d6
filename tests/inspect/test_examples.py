"""Examples of problems and rejects: found in any format, short, and safe to print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from support.inspected import inspected

from cfdns_fast import Normalizer
from cfdns_fast.inspect.examples import example_text

GOOD = b'{"QueryName":"example.com","SourceIP":"192.0.2.1","Timestamp":1767225600}\n'
BAD = b'{"QueryName":"example.com","SourceIP":"no address","Timestamp":1767225600}\n'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain", "plain"),
        (b"a\x1b[2J\nb", r"a\x1b[2J\nb"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("é\u202e\u200b".encode(), r"é\u202e\u200b"),
        (b"x" * 65, "x" * 64 + "…"),
        (b"x" * 63 + "é".encode(), "x" * 63 + "…"),
        (b"x" * 62 + "é".encode(), "x" * 62 + "é"),
    ],
)
def test_example_is_short_and_printable(data: bytes, shown: str) -> None:
    assert example_text(data) == shown
    assert example_text(data).isprintable()


@pytest.mark.parametrize("before", [0, 1, 700, 30_000])
def test_example_is_the_first_record_with_the_problem(before: int) -> None:
    """The record is found wherever the input is cut into blocks."""
    other = BAD.replace(b"no address", b"another")
    (example,) = inspected(GOOD * before + BAD + GOOD * before + other).problem_examples
    assert (example.code, example.count, example.example) == ("field.type:SourceIP", 2, '"no address"')
    assert example.input == "input 0"


@pytest.mark.parametrize(
    "text",
    [
        b'{"records":[%s]}' % BAD.strip(),
        b'{"records":[%s,%s]}\n' % (GOOD.strip(), BAD.strip()),
        b"[\n%s,\n%s\n]" % (GOOD.strip(), BAD.strip()),
        b"QueryName,SourceIP,Timestamp\nexample.com,192.0.2.1,1767225600\nexample.com,no address,1767225600\n",
        BAD.strip() * 2,
    ],
)
@pytest.mark.parametrize("schema", ["sekoia", "ecs", "ocsf"])
def test_problem_of_any_format_has_an_example(text: bytes, schema: str) -> None:
    normalizer = Normalizer(schema, keep_message=False, input_format="auto")
    (example,) = inspected(text, normalizer=normalizer).problem_examples
    assert "no address" in (example.example or "")


def test_mapping_without_records_has_no_example(tmp_path: Path) -> None:
    """The records of a document are found in its events."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[[field]]\nfrom = "QueryName"\nto = "dns.question.name"\nkind = "name"\n')
    normalizer = Normalizer(mapping, keep_message=False, input_format="auto")
    (example,) = inspected(b'[{"QueryName":7}]\n', normalizer=normalizer).problem_examples
    assert (example.count, example.example) == (1, None)


def test_missing_value_shows_the_record() -> None:
    (example,) = inspected(b'{"QueryName":"example.com"}\n').problem_examples
    assert (example.code, example.example) == ("field.missing:Timestamp", '{"QueryName":"example.com"}')


def test_examples_can_be_left_out() -> None:
    summary = inspected(BAD + b"{bad\n", examples=False)
    assert [each.count for each in (*summary.problem_examples, *summary.reject_examples)] == [1, 1]
    assert "no address" not in json.dumps(summary.as_dict()) and "{bad" not in json.dumps(summary.as_dict())


def test_codes_of_events_are_bounded() -> None:
    """The text of problems of converted events is text of the input."""
    line = b'{"dns":{},"event":{},"error":{"message":"p%d"}}\n'
    summary = inspected(b"".join(line % number for number in range(1500)))
    assert len(summary.problem_examples) == 1001
    assert summary.problem_examples[0].code == "(other)" and summary.problem_examples[0].count == 500
    assert summary.problems == 1500
