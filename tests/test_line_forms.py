"""Lines whose records have the same keys are written by one form; nothing of that can be seen in them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support import field, write_mapping

from cfdns_fast import Normalizer, reference


def mapping_of(keys: int) -> str:
    """Return a mapping of so many keys into objects that are empty where their keys are absent."""
    return "".join(field(**{"from": f"k{n}"}, to=f"a{n % 3}.b{n % 7}.t{n}", kind="text") for n in range(keys))


def records(pick: random.Random, keys: int, count: int, repeats: int) -> bytes:
    """Return records of keys by chance, each so many times in a row with other values."""
    lines = []
    for _ in range(count):
        present = [n for n in range(keys) if pick.random() < 0.5]
        lines += [
            "{" + ",".join(f'"k{n}":"{pick.choice(["x", "é", "a b", NEWLINE])}{line}"' for n in present) + "}"
            for line in range(repeats)
        ]
    return "\n".join(lines).encode()


NEWLINE = "\\n"


@pytest.mark.parametrize("keys", [1, 4, 20, 64, 65, 100])
@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_lines_when_keys_are_by_chance_then_are_as_the_reference_writes_them(
    keys: int, repeats: int, tmp_path: Path
) -> None:
    path = write_mapping(tmp_path, mapping_of(keys))
    data = records(random.Random(keys), keys, 200, repeats)
    assert Normalizer(path).to_ndjson(data) == reference.to_ndjson(data, path)


def test_lines_when_there_are_more_forms_than_are_kept_then_stay_right(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, mapping_of(12))
    normalizer = Normalizer(path)
    few = records(random.Random(1), 2, 5, 3)
    for seed in range(3):
        # 4,096 times no room is when all forms are made anew.
        many = records(random.Random(seed), 12, 3000, 2)
        for data in (many, few):
            assert normalizer.to_ndjson(data) == reference.to_ndjson(data, path)


def test_lines_when_nothing_is_in_them_then_are_empty_objects(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, mapping_of(3))
    assert Normalizer(path).to_ndjson(b"{}\n" * 5).output == b"{}\n" * 5
