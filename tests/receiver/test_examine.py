"""The examination of bodies: agreement with the gzip module, limits, and uploads that only check the destination."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib

import pytest

pytest.importorskip("hypothesis")
pytest.importorskip("xxhash", reason="needs the extra receiver")

from hypothesis import example, given
from hypothesis import strategies as st
from isal import igzip

from cfdns_fast.receiver import examine as module
from cfdns_fast.receiver.examine import Examined, Limits, Refused, examination
from cfdns_fast.receiver.line_counter import LineCounter
from cfdns_fast.receiver.validation import is_validation

LIMITS = Limits(max_decoded_bytes=1 << 30, max_members=1000, max_ratio=100)
LINE = b'{"QueryName":"a.example"}\n'
SPACE = b" \t\r\v\f\0"


def outcome(body: bytes, is_gzip: bool = True, limits: Limits = LIMITS) -> Examined | str:
    steps = examination(body, is_gzip, limits)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value
    except Refused as refused:
        return refused.word


def expected(body: bytes) -> bytes | None:
    """Return the decoded body by zlib, None if it is faulty: members, and zeros after the last one."""
    decoded = b""
    members = 0
    while body and not (members and not body.strip(b"\0")):
        member = zlib.decompressobj(31)
        try:
            decoded += member.decompress(body)
        except zlib.error:
            return None
        if not member.eof:
            return None
        members += 1
        body = member.unused_data
    return decoded


def lines_of(data: bytes) -> int:
    return sum(1 for line in data.split(b"\n") if line.strip(SPACE))


def member_of(data: bytes, level: int, name: bytes, extra: bytes, has_crc: bool) -> bytes:
    """Return a member with optional fields in its header."""
    plain = gzip.compress(data, level, mtime=0)
    flags = 4 * bool(extra) | 8 * bool(name) | 2 * has_crc
    header = plain[:3] + bytes([flags]) + plain[4:10]
    if extra:
        header += len(extra).to_bytes(2, "little") + extra
    if name:
        header += name + b"\0"
    if has_crc:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    return header + plain[10:]


TEXTS = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"{}", b"\n", b" ", b"\r\n", b"\0", b"a", b"\t"]), max_size=40).map(b"".join),
    st.integers(0, 1 << 32).map(lambda seed: random.Random(seed).randbytes(70_000)),
    st.integers(1, 3000).map(lambda count: b'{"QueryName":"a.example"}\n' * count),
)
MEMBERS = st.builds(
    member_of,
    TEXTS,
    st.sampled_from([0, 1, 6]),
    st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"")),
    st.binary(max_size=20),
    st.booleans(),
)
BODIES = st.builds(
    lambda members, zeros: b"".join(members) + bytes(zeros), st.lists(MEMBERS, max_size=4), st.integers(0, 3)
)


def check(body: bytes) -> None:
    decoded = expected(body)
    found = outcome(body)
    if is_validation(body):  # not compressed
        assert found == Examined(b"", 0, len(body))
    elif decoded is None:
        assert found == "gzip"
    elif not lines_of(decoded) or is_validation(decoded):
        assert found == Examined(b"", 0, len(decoded))
    else:
        assert found == Examined(body, lines_of(decoded), len(decoded))
        # Sinks read stored bodies in this way, and other programs by zlib.
        with igzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            assert file.read() == gzip.decompress(body) == decoded


@given(BODIES)
@example(gzip.compress(b"x") + b"\0" * 70_000)
@example(gzip.compress(b"x") + b"\0" * 70_000 + b"\1")
@example(gzip.compress(b"x") + b"\0" + gzip.compress(b"y"))
@example(gzip.compress(b"x") + b"\x1f")
@example(b"\0" * 20)
def test_examine_agrees_with_zlib(body: bytes) -> None:
    check(body)


@given(BODIES, st.data())
def test_examine_agrees_on_damaged_bodies(body: bytes, data: st.DataObject) -> None:
    if not body:
        return
    position = data.draw(st.integers(0, len(body) - 1))
    check(body[:position])
    flipped = bytearray(body)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    check(bytes(flipped))


def test_examine_agrees_on_every_flipped_bit_and_cut() -> None:
    body = member_of(b"some text\n", 6, b"name", b"extra", True) + gzip.compress(b"more text", mtime=0) + b"\0\0"
    check(body)
    for position in range(len(body)):
        check(body[:position])
        for bit in range(8):
            flipped = bytearray(body)
            flipped[position] ^= 1 << bit
            check(bytes(flipped))


@given(st.lists(TEXTS, max_size=6))
@example([b"\n" * 5000])
@example([b" ", b"\n", b"x", b" ", b"\n" * 3, b"\0", b"y\n"])
@example([b"x\n" * 3000, b" \n" * 3000, b"x"])
def test_line_counter_counts_over_pieces(pieces: list[bytes]) -> None:
    counter = LineCounter()
    for piece in pieces:
        counter.feed(piece)
    assert counter.lines == lines_of(b"".join(pieces))


@given(TEXTS)
def test_plain_body_is_compressed(body: bytes) -> None:
    found = outcome(body, is_gzip=False)
    if body.startswith(b"\x1f\x8b"):
        return
    assert isinstance(found, Examined)
    if lines_of(body) and not is_validation(body):
        assert (gzip.decompress(found.body), *found[1:]) == (body, lines_of(body), len(body))
    else:
        assert found == Examined(b"", 0, len(body))


VALIDATION = [
    b"",
    b"\n",
    b"test",
    b"tests",
    b"test\n",
    b"tests\r\n",
    b'{"content":"test"}',
    b'{"content":"tests"}\n',
    b' { "content" :\t"tests" } \r\n',
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl_-\n",
]
RECORDS = [
    b"tests tests",
    b"Test",
    b"test\ntest\n",
    b'{"content":"other"}',
    b'{"content":"test","QueryName":"a"}',
    b'{"content":"test"}\n{"content":"test"}\n',
    b'{"content":["test"]}',
    b'{"content":' + b"[" * 4000,
    b"eyJ.a.b",
    b'[{"content":"test"}]',
]


@pytest.mark.parametrize("body", VALIDATION)
def test_validation_upload_is_recognised(body: bytes) -> None:
    assert outcome(body, is_gzip=False) == Examined(b"", 0, len(body))
    assert outcome(body, is_gzip=True) == Examined(b"", 0, len(body))  # Logpush names an encoding that it did not use
    assert outcome(gzip.compress(body)) == Examined(b"", 0, len(body))
    assert outcome(gzip.compress(body[:3]) + gzip.compress(body[3:])) == Examined(b"", 0, len(body))


@pytest.mark.parametrize("body", RECORDS)
def test_other_uploads_are_records(body: bytes) -> None:
    for found in (outcome(body, is_gzip=False), outcome(gzip.compress(body))):
        assert isinstance(found, Examined)
        assert gzip.decompress(found.body) == body


def test_members_are_limited() -> None:
    member = gzip.compress(b"a\n")
    assert outcome(member * 1000) == Examined(member * 1000, 1000, 2000)
    assert outcome(member * 1001) == "too_large"


def test_decoded_size_is_limited() -> None:
    data = random.Random(1).randbytes(100_000)
    body = gzip.compress(data)
    assert isinstance(outcome(body, limits=LIMITS._replace(max_decoded_bytes=100_000)), Examined)
    assert outcome(body, limits=LIMITS._replace(max_decoded_bytes=99_999)) == "too_large"
    assert outcome(data, is_gzip=False, limits=LIMITS._replace(max_decoded_bytes=99_999)) == "too_large"


def test_ratio_is_limited_above_one_mebibyte() -> None:
    assert isinstance(outcome(gzip.compress(b"x" * (1 << 20))), Examined)
    assert outcome(gzip.compress(b"x" * ((1 << 20) + 1))) == "too_large"
    body = gzip.compress(b"x" * (2 << 20))
    assert isinstance(outcome(body, limits=LIMITS._replace(max_ratio=1032)), Examined)


@pytest.mark.parametrize(
    ("body", "steps"),
    [
        (gzip.compress(LINE * 1000), 0),
        (gzip.compress(LINE * 400_000), 10),
        (LINE * 400_000, 9),
        (b"".join(gzip.compress(b"", mtime=0) for _ in range(900)) + gzip.compress(LINE), 0),
        (gzip.compress(random.Random(2).randbytes(2 << 20)), 8),
    ],
)
def test_large_bodies_are_examined_in_steps(body: bytes, steps: int) -> None:
    assert steps <= sum(1 for _ in examination(body, False, LIMITS._replace(max_ratio=1032))) <= 2 * steps + 1


class CountingDecompressor:
    """Counts members, input and output of the real decompressor."""

    members = decoded_bytes = fed_bytes = 0

    def __init__(self, flag: int) -> None:
        type(self).members += 1
        self._real = REAL(flag)

    def decompress(self, data: memoryview, max_length: int) -> bytes:
        assert len(data) <= 65536 and 0 < max_length <= 65536
        piece = self._real.decompress(data, max_length)
        CountingDecompressor.fed_bytes += len(data)
        CountingDecompressor.decoded_bytes += len(piece)
        return piece

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


REAL = module.igzip_lib.IgzipDecompressor

BOMBS = {
    "zeros": lambda: gzip.compress(bytes(120 << 20), 1),
    "newlines": lambda: gzip.compress(b"\n" * (20 << 20), 9),
    "empty members": lambda: gzip.compress(b"") * 200_000,
    "members of zeros": lambda: gzip.compress(bytes(1 << 20), 9) * 200,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_costs_bounded_work_and_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is counted: members, bytes in and bytes out."""
    body = BOMBS[name]()
    monkeypatch.setattr(module.igzip_lib, "IgzipDecompressor", CountingDecompressor)
    for counter in ("members", "decoded_bytes", "fed_bytes"):
        monkeypatch.setattr(CountingDecompressor, counter, 0)
    tracemalloc.start()
    try:
        assert outcome(body) == "too_large"
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 << 20
    assert CountingDecompressor.members <= LIMITS.max_members
    assert CountingDecompressor.decoded_bytes <= max(100 * len(body), 1 << 20) + 65536
    assert CountingDecompressor.fed_bytes <= len(body) + LIMITS.max_members * 65536
