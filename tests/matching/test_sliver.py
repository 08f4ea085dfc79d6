"""The decoder of Sliver's names: two corpora, names from public reports, and generated names."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest
from support.detectors import Found

from cfdns_fast import Normalizer
from cfdns_fast.matching import SLIVER_MESSAGES, SliverName, SliverNames, decode_sliver
from cfdns_fast.reference.sliver import decode

CORPUS = Path(__file__).parents[1] / "corpus" / "sliver"
DECODERS = pytest.mark.parametrize("decoder", [decode_sliver, decode], ids=["native", "reference"])


def rows(file: str) -> list[dict[str, str]]:
    with (CORPUS / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@DECODERS
def test_positive_corpus_is_decoded_in_full(decoder: Any) -> None:
    found = [decoder(row["name"]) for row in rows("positives.tsv")]
    # The corpus has no encoder for the messages of v1.4, which are several labels.
    expected = [
        (row["message"], "legacy" if row["message"].startswith("L_") else row["encoder"])
        for row in rows("positives.tsv")
    ]
    assert [each and each[:2] for each in found] == expected


@DECODERS
def test_benign_corpus_is_not_decoded(decoder: Any) -> None:
    assert [row["name"] for row in rows("benign.tsv") if decoder(row["name"]) is not None] == []


@DECODERS
@pytest.mark.parametrize("row", rows("field_samples.tsv"), ids=lambda row: row["name"][:30])
def test_field_sample_is_decoded_as_reported(decoder: Any, row: dict[str, str]) -> None:
    found = decoder(row["name"])
    if row["expected_message"] == "none":
        assert found is None
        return
    number = int(row["id"]) if row["id"] else None
    assert found[:3] == (row["expected_message"], row["expected_encoder"], number)
    assert row["name"].removesuffix(".").endswith("." + found.parent)


def test_decoder_names_the_parent_as_sent() -> None:
    assert decode_sliver("BAAKB968ww3a.NS1.xxxx.Com.") == SliverName("TOTP", "base32", 26855497, "NS1.xxxx.Com")
    assert decode_sliver(b"baa8.c2.example.com") == SliverName("TOTP0", "base32", None, "c2.example.com")
    assert "TOTP" in SLIVER_MESSAGES


@DECODERS
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "baa8",
        "baa8.com",
        "baa8..com",
        "baakb968ww3a.xxxx",
        "baakb968ww3a.ns1..com",
        "baakb968ww3a.ns1.xxxx.com" + ".a" * 120,
        "babbb" + "a" * 245 + ".a.b",
        "1c.a.b",
        "ba\x00kb968ww3a.ns1.example.com",
        "baakb682.www.example.com",
        "_abcdef._adsp._domainkey",
    ],
    ids=repr,
)
def test_other_name_is_not_decoded(decoder: Any, name: str) -> None:
    assert decoder(name) is None


@DECODERS
def test_parent_needs_two_labels(decoder: Any) -> None:
    assert decoder("baakb968ww3a.xxxx.com").parent == "xxxx.com"
    assert decoder("abcdef.abcdef._cb.a.b").parent == "a.b"
    assert decoder("abcdef.abcdef._cb.a") is None


@DECODERS
def test_message_needs_its_exact_fields(decoder: Any) -> None:
    """Bits that are left over, and ids without a session, are refused."""
    assert decoder("11d5hqrb342f4y93bc2qegjf.a.b").message == "NOP"
    assert decoder("11d5hqrb342f4y93bc2qegjg.a.b") is None or decoder("11d5hqrb342f4y93bc2qegjg.a.b").id == 3658506
    assert decoder("baakb968ww3b.a.b") is None


def mutations(count: int, seed: int) -> list[str]:
    """Return names near those of the corpora: characters, labels and cases changed, names cut and joined."""
    rng = random.Random(seed)
    names = [row["name"] for file in ("positives.tsv", "field_samples.tsv", "benign.tsv") for row in rows(file)[:200]]
    alphabet = "ab1c2d3e4f5g6h7j8k9m0npqrtuvwxyzABCXYZ_-.silo\\é\x00"
    made = []
    for _ in range(count):
        name = list(rng.choice(names))
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(name) + 1)
            change = rng.randrange(5)
            if change == 0:
                name[at:at] = rng.choice(alphabet)
            elif change == 1:
                del name[at : at + rng.randint(1, 3)]
            elif change == 2:
                name[at : at + 1] = rng.choice(alphabet)
            elif change == 3:
                name = [rng.choice((c.lower(), c.upper(), c)) for c in name]
            else:
                name[at:] = rng.choice(names)[-rng.randint(1, 80) :]
        made.append("".join(name))
    return made


def test_native_equals_reference_on_mutations() -> None:
    names = mutations(4000, 1)
    found = [decode(name) for name in names]
    assert [decode_sliver(name) for name in names] == found
    assert sum(each is not None for each in found) > 500


@pytest.mark.slow
def test_native_equals_reference_on_many_mutations() -> None:
    for seed in range(2, 30):
        for name in mutations(4000, seed):
            assert decode_sliver(name) == decode(name), name


def is_exception(vector: Any) -> bool:
    """Return whether a name is left out on purpose: a small code or id, or base58 with letters of one case."""
    small_code = vector.message == "TOTP" and vector.id < 2**14
    small_nop = vector.message == "NOP" and vector.id < 2**14
    text = vector.name[:63]
    one_case = vector.encoder == "base58" and (text.partition(".")[0].islower() or text.partition(".")[0].isupper())
    return small_code or small_nop or one_case or (vector.encoder == "base32" and vector.id < 128)


@pytest.mark.parametrize("count", [1500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_independent_encoder_is_decoded(count: int) -> None:
    pytest.importorskip("google.protobuf", reason="the encoder writes messages with google.protobuf")
    from support.sliver_encoder import vectors

    missed = []
    for vector in vectors(count, 7):
        found = decode_sliver(vector.name)
        if found != SliverName(vector.message, vector.encoder, vector.id, vector.parent) and not is_exception(vector):
            missed.append(vector)
    assert missed == []


#: The most hits that ten million labels may have, by alphabet and size. The design measured 0.62 hits a million at most
#: before it left out small ids of NOPs, and none of 720 million other labels.
CLASSES = [
    ("abcdefghijklmnopqrstuvwxyz234567", 24),
    ("0123456789abcdefghijklmnopqrstuv", 24),
    ("0123456789abcdefghijklmnopqrstuvwxyz", 26),
    ("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 30),
    ("0123456789abcdef", 21),
    ("0123456789abcdef", 24),
]


@pytest.mark.slow
@pytest.mark.parametrize(("alphabet", "size"), CLASSES)
def test_random_labels_are_rarely_decoded(alphabet: str, size: int) -> None:
    """Ten million labels of each class; the screen and the decoder run within to_ndjson."""
    normalizer = Normalizer(keep_message=False, detect=[Found(SliverNames())])
    rng = random.Random(11)
    hits = 0
    # Of the 256 bytes, as many are used as divide evenly. Characters from `choices` took most of the time.
    used = 256 - 256 % len(alphabet)
    table = bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))
    tried = 0
    while tried < 10_000_000:
        text = rng.randbytes(size * 10_000).translate(table, bytes(range(used, 256))).decode()
        labels = [text[at : at + size] for at in range(0, len(text) - size + 1, size)]
        lines = '.a.com"}\n{"QueryName":"'.join(labels)
        hits += len(normalizer.to_ndjson(f'{{"QueryName":"{lines}.a.com"}}\n'.encode()).detections)
        tried += len(labels)
    assert hits <= 8
