"""How the reference cuts lines into records and rejects."""

from __future__ import annotations

import pytest

from cfdns_fast.reference import to_dicts
from cfdns_fast.reference.framing import records
from cfdns_fast.results import Reject

NESTED_256 = '{"a":' + "[" * 255 + "]" * 255 + "}"
NESTED_257 = '{"a":' + "[" * 256 + "]" * 256 + "}"
PAIR = r"\ud83d\ude00"
HALF = r"\ud83d"


def found(data: bytes, max_record_bytes: int = 1048576) -> list[str]:
    """Return the texts of records and the codes of rejects, in order and without blank lines."""
    kept = (each for each in records(data, max_record_bytes) if each is not None)
    return [each.code if isinstance(each, Reject) else each.text for each in kept]


@pytest.mark.parametrize(
    ("data", "events", "blank"),
    [
        (b"", 0, 0),
        (b"\n", 0, 1),
        (b"\n\n", 0, 2),
        (b" ", 0, 1),
        (b"\x00", 0, 1),
        (b"\x00 \x00{}\x00{}\n", 2, 2),
        (b"{}\n" + bytes(77) + b"{}\n", 2, 1),
        (b"\x00\xef\xbb\xbf\x00{}", 1, 1),
        (b" \t\r\r\n", 0, 1),
        (b"\xef\xbb\xbf", 0, 1),
        (b"\xef\xbb\xbf\r\n{}", 1, 1),
        (b"{}", 1, 0),
        (b"{}\n", 1, 0),
        (b"{}\r\n{}\n", 2, 0),
        (b"\xef\xbb\xbf{}\n\xef\xbb\xbf {}\n", 2, 0),
        (b"{}{}\t{} \r", 3, 0),
    ],
)
def test_blank_lines_are_counted(data: bytes, events: int, blank: int) -> None:
    result = to_dicts(data)
    assert (result.events, len(result.output), result.blank, result.rejects) == (events, events, blank, ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1}{"b":2}', ['{"a":1}', '{"b":2}']),
        (b'{"a":1}garbage', ['{"a":1}', "json.syntax"]),
        (b'{"a":1}[1]', ['{"a":1}', "json.not_object"]),
        (b"[1,2]", ["json.not_object"]),
        (b'"text"', ["json.not_object"]),
        (b"null \t\r", ["json.not_object"]),
        (b"-0.5e+3", ["json.not_object"]),
        (b'[1]{"a":1}', ["json.syntax"]),
        (b"{}\xef\xbb\xbf{}", ["{}", "json.syntax"]),
        (b"\x0b{}", ["json.syntax"]),
        (b'{"a":1', ["json.syntax"]),
        (b'{"a":"}', ["json.syntax"]),
        (b'{"a":"\\', ["json.syntax"]),
        (b'{"a":"\\"}', ["json.syntax"]),
        (b'{"a":"x\\\\"}', [r'{"a":"x\\"}']),
        (b'{"a":"{[\\"]}"}', [r'{"a":"{[\"]}"}']),
        (b"{'a':1}", ["json.syntax"]),
        (b'{"a":1,}', ["json.syntax"]),
        (b'{"a":[1,]}', ["json.syntax"]),
        (b'{"a":[1}]}', ["json.syntax"]),
        (b'{"a":NaN}', ["json.syntax"]),
        (b'{"a":-Infinity}', ["json.syntax"]),
        (b"Infinity", ["json.syntax"]),
        (b'{"a":01}', ["json.syntax"]),
        (b'{"a":1.}', ["json.syntax"]),
        (b'{"a":.5}', ["json.syntax"]),
        (b'{"a":+1}', ["json.syntax"]),
        (b'{"a":1e}', ["json.syntax"]),
        (b'{"a":\xd9\xa1}', ["json.syntax"]),
        (b'{"a":1\xc2\xa0}', ["json.syntax"]),
        (b'{"a":True}', ["json.syntax"]),
        (b'{"a":"\t"}', ["json.syntax"]),
        (b'{"a":"\x00"}', ["json.syntax"]),
        (b"{}\x00", ["{}"]),
        (b"\x00\x00{}\x00{\x00}", ["{}", "json.syntax"]),
        (b'{"a":"\x7f"}', ['{"a":"\x7f"}']),
        (b'{"a":"\\x41"}', ["json.syntax"]),
        (b'{"a":"\\u00g0"}', ["json.syntax"]),
        (b'{"a":"\\u 041"}', ["json.syntax"]),
        (b'{"a":"\\u0000"}', [r'{"a":"\u0000"}']),
        (b'{"a":1e400,"b":' + b"9" * 5000 + b"}", ['{"a":1e400,"b":' + "9" * 5000 + "}"]),
        (b'{"a":"\xff"}', ["json.utf8"]),
        (b'{"a":"\xc0\xaf"}', ["json.utf8"]),
        (b'{"a":"\xed\xa0\x80"}', ["json.utf8"]),
        (b'{"a":"\xf4\x90\x80\x80"}', ["json.utf8"]),
        (b'{"a":1}{"b":"\xff"}{"c":1}', ['{"a":1}', "json.utf8"]),
        (b"{}[\xff" + b"[" * 300, ["{}", "json.utf8"]),
        (NESTED_256.encode(), [NESTED_256]),
        (NESTED_257.encode(), ["json.depth"]),
        (b"[" * 256 + b"]" * 256, ["json.not_object"]),
        (b"[" * 257 + b"]" * 257, ["json.depth"]),
        (b"]" * 300 + b"[" * 256, ["json.syntax"]),
        (b"[" * 100_000, ["json.depth"]),
        (b'"' + b"[" * 300 + b'"', ["json.not_object"]),
        (b'"' + b"[" * 300, ["json.syntax"]),
        (b'"\\"' + b"[" * 300, ["json.syntax"]),
        (b'x" "' + b"[" * 257, ["json.depth"]),
    ],
)
def test_line_is_cut_into_objects_from_the_left(data: bytes, expected: list[str]) -> None:
    assert found(data) == expected
    assert found(b"{}\n" + data + b"\r\n{}\n")[1:-1] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{{"a":"{PAIR}"}}', None),
        (f'{{"a":"{HALF}"}}', "json.surrogate"),
        (f'{{"{HALF}":1}}', "json.surrogate"),
        (f'{{"a":[[{{"b":"x{HALF}"}}]]}}', "json.surrogate"),
        (f'{{"a":"{HALF}","a":1}}', "json.surrogate"),
        (r'{"a":"\ude00\ud83d"}', "json.surrogate"),
        (f'{{"a":"{HALF}{PAIR}"}}', "json.surrogate"),
        (f'{{"a":"{PAIR}{PAIR}"}}', None),
        (f'{{"a":"{HALF}\\n\\ude00"}}', "json.surrogate"),
        (r'{"a":"\\ud83d"}', None),
        (r'{"a":"\\\ud83d"}', "json.surrogate"),
        (r'{"a":"\uD83D\uDE00\uD83d\uDe00"}', None),
        (f'["{HALF}"]', "json.surrogate"),
        (f'["{PAIR}"]', "json.not_object"),
        (f'["{HALF}"', "json.syntax"),
    ],
)
def test_unpaired_surrogate_is_a_reject(text: str, expected: str | None) -> None:
    assert found(text.encode()) == [expected or text]


def test_line_continues_after_a_surrogate_reject() -> None:
    data = f'{{"a":"{HALF}"}}{{}}'.encode()
    result = to_dicts(data)
    assert result.events == 1
    assert result.rejects == (Reject(1, 0, 14, "json.surrogate", data[:14]),)


def test_max_record_bytes_rejects_only_the_long_record() -> None:
    assert found(b'{"a":1}{"b":22}{}', max_record_bytes=7) == ['{"a":1}', "record.too_large", "{}"]
    assert found(b"      {}      ", max_record_bytes=2) == ["{}"]
    assert found(b"{}\xff\xff\xff", max_record_bytes=2) == ["{}", "record.too_large"]
    assert found(b"{}\xff\xff\xff", max_record_bytes=3) == ["{}", "json.utf8"]
    assert found(f'{{"a":"{HALF}"}}'.encode(), max_record_bytes=13) == ["record.too_large"]


def test_reject_positions_count_marks_and_blanks() -> None:
    """A byte order mark and white space before a record count in its position."""
    data = b'\n\xef\xbb\xbf {"a":1} x \r\r\n[1]\r\n\xef\xbb\xbfy'
    assert to_dicts(data).rejects == (
        Reject(2, 13, 3, "json.syntax", b"x \r"),
        Reject(3, 18, 3, "json.not_object", b"[1]"),
        Reject(4, 26, 1, "json.syntax", b"y"),
    )


def test_reject_keeps_first_64_kib() -> None:
    data = b"x" * 65537
    assert to_dicts(data).rejects == (Reject(1, 0, 65537, "json.syntax", data[:65536]),)


def test_cut_at_a_newline_changes_only_positions() -> None:
    data = b'{"QueryName":"a.com"}\r\n\n[1]\n{}{"Timestamp":true}x\n {"a":"\xff"}\n{}'
    whole = to_dicts(data)
    for cut in (index + 1 for index, byte in enumerate(data) if byte == 0x0A):
        parts = [to_dicts(data[:cut]), to_dicts(data[cut:])]
        assert [event for part in parts for event in part.output] == whole.output
        assert sum(part.blank for part in parts) == whole.blank
        assert [each.raw for part in parts for each in part.rejects] == [each.raw for each in whole.rejects]
