"""Tables of names: what is added, what matches, and equality with the plain Python."""

from __future__ import annotations

import copy
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cfdns_fast.matching import ALLOW, BELOW, MAX_METADATA, NAME_OUTCOMES, SELF, NameTableBuilder, SharedNameTable
from cfdns_fast.reference.matching import NameRows

BOTH = SELF | BELOW


def table(*names: str | tuple[str, int]) -> Any:
    builder = NameTableBuilder()
    for number, name in enumerate(names):
        text, flags = (name, BOTH) if isinstance(name, str) else name
        builder.add(text, flags, number)
    return builder.build()


def matched(made: Any, name: str) -> str | None:
    found = made.find(name.encode())
    return None if found is None else made.name_of(found[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("higan.org", "higan.org"),
        ("x.higan.org", "higan.org"),
        ("a.b.HIGAN.Org.", "higan.org"),
        ("michigan.org", None),
        ("org", None),
        ("higan.org.example", None),
        ("deep.evil.co.uk", "deep.evil.co.uk"),
        ("x.deep.evil.co.uk", "deep.evil.co.uk"),
        ("evil.co.uk", None),
        ("shallow.evil.co.uk", None),
        ("only.self.net", "only.self.net"),
        ("x.only.self.net", None),
        ("only.below.net", None),
        ("x.only.below.net", "only.below.net"),
        ("bad.onion", "bad.onion"),
        ("x.y.bad.onion", "bad.onion"),
        ("good.bad.net", None),
        ("x.good.bad.net", None),
        ("worse.good.bad.net", "worse.good.bad.net"),
        ("x.bad.net", "bad.net"),
        (r"a\.higan.org", None),
        (r"a\.b.higan.org", "higan.org"),
        ("..", None),
        ("a..higan.org", "higan.org"),
    ],
)
def test_longest_name_that_applies_matches(name: str, expected: str | None) -> None:
    made = table(
        "higan.org",
        "deep.evil.co.uk",
        ("only.self.net", SELF),
        ("only.below.net", BELOW),
        "bad.onion",
        "bad.net",
        ("good.bad.net", BOTH | ALLOW),
        "worse.good.bad.net",
    )
    assert matched(made, name) == expected


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("c.com", None),
        ("A.Com.", "duplicate"),
        ("a[.]com", "duplicate"),
        ("b(.)com", None),
        ("com", "single_label"),
        ("localhost", "single_label"),
        ("co.uk", "public_suffix"),
        ("github.io", "public_suffix"),
        ("kobe.jp", "public_suffix"),
        ("x.kobe.jp", "public_suffix"),
        ("city.kobe.jp", None),
        ("amazonaws.com", None),
        ("1.2.3.4", "address"),
        ("1.2.3.4.5", None),
        ("a..com", "invalid"),
        ("", "invalid"),
        (".", "invalid"),
        ("a b.com", "invalid"),
        ("http://a.com/", "invalid"),
        ("*.a.com", "invalid"),
        ("b\u00fccher.example", "not_ascii"),
        ("xn--bcher-kva.example", None),
        ("_dmarc.a.com", None),
        ("x" * 63 + ".com", None),
        ("x" * 64 + ".com", "invalid"),
        (".".join(["x" * 49] * 5) + ".com", None),
        (".".join(["x" * 49] * 5) + ".abcd", "too_long"),
    ],
    ids=repr,
)
def test_add_says_what_became_of_a_name(name: str, outcome: str | None) -> None:
    builder = NameTableBuilder()
    builder.add("a.com")
    twin = NameRows()
    twin.add("a.com", BOTH, 0)
    assert builder.add(name) == outcome
    assert twin.add(name, BOTH, 0) == (outcome or "added")
    assert outcome is None or outcome in NAME_OUTCOMES
    assert [row[1:3] for row in builder.build().rows()] == [(row, flags) for row, (flags, _) in twin.rows.items()]


def test_public_suffix_matches_only_itself() -> None:
    made = table("github.io", ("co.uk", BELOW))
    assert matched(made, "github.io") == "github.io"
    assert matched(made, "x.github.io") is None
    assert matched(made, "x.co.uk") is None
    assert len(made) == 1


def test_repeated_name_has_the_flags_of_both() -> None:
    builder = NameTableBuilder()
    assert builder.add("a.com", SELF, 1) is None
    assert builder.add("a.com", BELOW, 2) == "duplicate"
    builder.add("b.com", SELF, 3)
    builder.add("b.com", BOTH | ALLOW, 4)
    builder.add("b.com", BELOW, 5)
    made = builder.build()
    assert [row[1:] for row in made.rows()] == [("a.com", BOTH, 1), ("b.com", BOTH | ALLOW, 3)]


LIST = b"""\xef\xbb\xbf# a comment
evil.com
; another
  spaced.example.org \t# after the name
*.wild.net
.dotted.net
two words.com
\tTAB.com\r

1.2.3.4
b\xc3\xbccher.example
evil.com
last.org"""


def test_plain_list_is_added_by_lines() -> None:
    builder, twin = NameTableBuilder(), NameRows()
    counts = builder.add_lines(LIST, metadata=7)
    assert counts == {"added": 6, "duplicate": 1, "not_ascii": 1, "address": 1, "invalid": 1}
    assert twin.add_lines(LIST, BOTH, 7, BELOW) == counts
    rows = [row[1:] for row in builder.build().rows()]
    assert rows == [(name, *of) for name, of in twin.rows.items()]
    assert ("wild.net", BELOW, 7) in rows and ("dotted.net", BELOW, 7) in rows


def test_wildcards_may_match_the_name_itself() -> None:
    builder = NameTableBuilder()
    builder.add_lines(bytearray(b"*.wild.net\n"), SELF, wildcard_flags=BOTH)
    assert matched(builder.build(), "wild.net") == "wild.net"


def test_endless_line_is_one_invalid_name() -> None:
    builder = NameTableBuilder()
    assert builder.add_lines(b"x" * 1_000_000 + b"\n" + b"a." * 500_000) == {"too_long": 2}
    assert len(builder) == 0


@pytest.mark.parametrize("flags", [0, ALLOW, 8, -1])
def test_flags_are_checked(flags: int) -> None:
    builder = NameTableBuilder()
    with pytest.raises(ValueError, match="flags"):
        builder.add("a.com", flags)
    with pytest.raises(ValueError, match="flags"):
        builder.add_lines(b"a.com", flags)
    with pytest.raises(ValueError, match="flags"):
        builder.add_lines(b"a.com", wildcard_flags=flags)


def test_metadata_is_checked_and_given_back() -> None:
    builder = NameTableBuilder()
    for number in (-1, MAX_METADATA + 1):
        with pytest.raises(ValueError, match="metadata"):
            builder.add("a.com", BOTH, number)
    numbers = [0, 15, 16, 2**11, 2**18, MAX_METADATA]
    for number in numbers:
        builder.add(f"a{number}.com", BOTH, number)
    made = builder.build()
    assert [made.metadata_of(row) for row, *_ in made.rows()] == numbers
    assert [made.flags_of(row) for row, *_ in made.rows()] == [BOTH] * len(numbers)


def test_row_that_does_not_exist_raises_index_error() -> None:
    made = table("a.com", "b.com")
    starts = {row for row, *_ in made.rows()}
    for row in {*range(40), 10**9} - starts:
        with pytest.raises(IndexError):
            made.name_of(row)
    assert {made.name_of(row) for row in starts} == {"a.com", "b.com"}


def test_builder_ends_with_its_table() -> None:
    builder = NameTableBuilder()
    assert len(builder.build()) == 0
    for call in (builder.build, lambda: builder.add("a.com"), lambda: builder.add_lines(b""), lambda: len(builder)):
        with pytest.raises(ValueError, match="was built"):
            call()


def test_copied_and_pickled_table_has_the_same_rows() -> None:
    made = table("a.com", ("b.co.uk", SELF | BELOW | ALLOW), ("co.uk", BOTH), ("a.com", BELOW), ("c.d.lan", BELOW))
    assert copy.copy(made) is copy.deepcopy(made) is made
    for other in (pickle.loads(pickle.dumps(made)), pickle.loads(pickle.dumps(SharedNameTable(made))).table):
        assert list(other.rows()) == list(made.rows())


def test_builder_refuses_a_second_thread() -> None:
    """One thread adds lines without the GIL; what others add meanwhile is an error or is kept."""
    builder = NameTableBuilder()
    data = b"".join(b"n%d.example.com\n" % number for number in range(20_000))

    def add(number: int) -> int:
        try:
            if number % 2:
                return builder.add_lines(data.replace(b"n", b"n%d-" % number)).get("added", 0)
            return sum(builder.add(f"x{number}-{i}.com") is None for i in range(500))
        except ValueError as error:
            assert str(error) == "another thread uses the builder"
            return 0

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(add, range(8)))
    assert sum(added) <= len(builder)
    made = builder.build()
    assert sum(1 for _ in made.rows()) == len(made)


def test_shared_table_holds_a_table() -> None:
    first, second = table("a.com"), table("b.com")
    shared = SharedNameTable(first)
    shared.table = second
    assert shared.table is second
    with pytest.raises(TypeError):
        shared.table = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        SharedNameTable(None)  # type: ignore[arg-type]


def random_names(count: int, rng: random.Random) -> list[str]:
    """Return names of few labels under known and unknown suffixes, so that many of them are parents of others."""
    labels = ["a", "b", "cdn", "evil", "x" * 30, "_dmarc", "xn--bcher-kva", "kobe", "city", "www"]
    suffixes = ["com", "co.uk", "github.io", "jp", "kobe.jp", "onion", "ck", "www.ck", "s3.amazonaws.com", "lan", "uk"]
    return [".".join([*rng.choices(labels, k=rng.randint(0, 4)), rng.choice(suffixes)]) for _ in range(count)]


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 60))])
def test_table_equals_the_plain_python(seed: int) -> None:
    rng = random.Random(seed)
    builder, twin = NameTableBuilder(), NameRows()
    for name in random_names(rng.choice((3, 50, 2000)), rng):
        flags, number = rng.choice((1, 2, 3, 3, 3, 5, 6, 7)), rng.randrange(300)
        assert (builder.add(name, flags, number) or "added") == twin.add(name, flags, number)
    made = builder.build()
    assert [row[1:] for row in made.rows()] == [(name, *of) for name, of in twin.rows.items()]
    for name in random_names(1500, rng):
        found = made.find(name.encode())
        assert (found and (made.name_of(found[0]), *found[1:])) == twin.find(name), name


@pytest.mark.slow
def test_large_table_needs_little_memory() -> None:
    """Two million names with 22 characters on average: at most 64 MB."""
    builder = NameTableBuilder()
    rng = random.Random(1)
    for _ in range(20):
        names = (f"{rng.getrandbits(44):011x}.{rng.choice(('com', 'net', 'info', 'xyz'))}" for _ in range(100_000))
        builder.add_lines("\n".join(f"{name[: rng.randint(6, 11)]}{name}" for name in names).encode())
    made = builder.build()
    assert len(made) > 1_990_000
    texts = sum(len(name) for _, name, _, _ in made.rows())
    assert made.memory_bytes - texts < 9.5 * len(made)
