"""The rules that tldextract bundles, read with and without its import."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import tldextract

from cfdns_fast import suffix_list
from cfdns_fast.suffix_list import suffix_rules

SNAPSHOT = Path(tldextract.__file__).with_name(".tld_set_snapshot").read_text(encoding="utf-8")


def rules_of_tldextract(private_suffixes: bool) -> set[str]:
    extractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=private_suffixes)
    return set(extractor.tlds)


def use_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make `folder` the folder that is searched for the file of tldextract."""
    spec = ModuleSpec("tldextract", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(suffix_list, "find_spec", lambda name: spec)


@pytest.fixture
def not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each use of tldextract itself fail."""
    monkeypatch.setattr(suffix_list, "_rules_of_tldextract", None)


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_rules_equal_those_of_tldextract(private_suffixes: bool, not_imported: None) -> None:
    assert suffix_rules(private_suffixes) == rules_of_tldextract(private_suffixes)


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_rules_without_the_file_come_from_tldextract(
    private_suffixes: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_folder(monkeypatch, tmp_path)
    assert suffix_rules(private_suffixes) == rules_of_tldextract(private_suffixes)


def test_rules_without_a_spec_come_from_tldextract(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application may put a module without a spec into sys.modules."""
    replacement = ModuleType("tldextract")
    replacement.TLDExtract = lambda **_: SimpleNamespace(tlds={"a.rule"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tldextract", replacement)
    with pytest.raises(ValueError):
        importlib.util.find_spec("tldextract")
    assert suffix_rules(False) == {"a.rule"}


def test_rules_of_a_latin_1_file_come_from_tldextract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".tld_set_snapshot").write_bytes(SNAPSHOT.encode("latin-1", "replace").replace(b"com\n", b"\xe9\n"))
    use_folder(monkeypatch, tmp_path)
    assert suffix_rules(False) == rules_of_tldextract(False)


ICANN_BEGINS = "// ===BEGIN ICANN DOMAINS===\n"
ICANN_ENDS = "// ===END ICANN DOMAINS===\n"
PRIVATE_BEGINS = "// ===BEGIN PRIVATE DOMAINS===\n"

#: Difference of a file -> its text.
OTHER_LAYOUTS = {
    "empty": "",
    "cut": SNAPSHOT[: len(SNAPSHOT) // 2],
    "without a marker": SNAPSHOT.replace(ICANN_ENDS, ""),
    "another section": SNAPSHOT + "// ===BEGIN OTHER DOMAINS===\n",
    "sections exchanged": SNAPSHOT.replace("ICANN", "?").replace("PRIVATE", "ICANN").replace("?", "PRIVATE"),
    "a section twice": SNAPSHOT + SNAPSHOT,
    "a rule before the sections": SNAPSHOT.replace(ICANN_BEGINS, "rule\n" + ICANN_BEGINS),
    "a rule between the sections": SNAPSHOT.replace(PRIVATE_BEGINS, "rule\n" + PRIVATE_BEGINS),
    "a rule after the sections": SNAPSHOT + "rule\n",
    "few rules": SNAPSHOT[: SNAPSHOT.index("// be ")] + SNAPSHOT[SNAPSHOT.index(ICANN_ENDS) :],
    "few private rules": SNAPSHOT[: SNAPSHOT.index(PRIVATE_BEGINS)] + PRIVATE_BEGINS + "// ===END PRIVATE DOMAINS===\n",
    "a space before a rule": SNAPSHOT.replace("\ncom\n", "\n com\n"),
    "a space after a rule": SNAPSHOT.replace("\ncom\n", "\ncom \n"),
    "a comment after a rule": SNAPSHOT.replace("\ncom\n", "\ncom // comment\n"),
    "a wildcard within a rule": SNAPSHOT.replace("\ncom\n", "\ncom\na.*.com\n"),
    "a bare wildcard": SNAPSHOT.replace("\ncom\n", "\ncom\n*\n"),
    "a dot before a rule": SNAPSHOT.replace("\ncom\n", "\n.com\n"),
    "carriage returns": SNAPSHOT.replace("\n", "\r\n"),
    "JSON": '{"icann": ["com"]}',
}


@pytest.mark.parametrize("name", OTHER_LAYOUTS)
def test_other_layout_is_left_to_tldextract(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert OTHER_LAYOUTS[name] != SNAPSHOT
    (tmp_path / ".tld_set_snapshot").write_bytes(OTHER_LAYOUTS[name].encode("utf-8"))
    use_folder(monkeypatch, tmp_path)
    monkeypatch.setattr(suffix_list, "_rules_of_tldextract", lambda private_suffixes: frozenset({"tldextract's"}))
    assert suffix_rules(False) == {"tldextract's"}


def test_known_layout_with_another_rule_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, not_imported: None
) -> None:
    """A newer list has other rules, and the same layout."""
    text = SNAPSHOT.replace("\ncom\n", "\ncom\nbrand-new\n*.brand-new\n!www.brand-new\n新.brand-new\n")
    (tmp_path / ".tld_set_snapshot").write_bytes(text.encode("utf-8"))
    use_folder(monkeypatch, tmp_path)
    added = {"brand-new", "*.brand-new", "!www.brand-new", "新.brand-new"}
    assert suffix_rules(False) == rules_of_tldextract(False) | added
