"""Rules from files and folders: what is loaded, how errors are reported, and loading again."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="rules are YAML")

from support.command import needs_posix
from support.sigma_rules import detection, rule_text

from cfdns_fast import CfdnsError
from cfdns_fast.detect import Rule, RuleError, Rules, RulesFolder
from cfdns_fast.detect.sigma.faults import Fault
from cfdns_fast.detect.sigma.nodes import MAX_FILE_BYTES
from cfdns_fast.detect.sigma.reader import FileContent

CORPUS = Path(__file__).parents[1] / "corpus"
SELECTION = "selection:\n    query: a"


def write(path: Path, *rules: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n".join(rules), encoding="utf-8")
    return path


def rule(number: int, **entries: str) -> str:
    return rule_text(SELECTION, id=f"rule-{number}", **entries)


def test_folder_is_read_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path / "b.yml", rule(1))
    write(tmp_path / "a.yaml", rule(2), rule(3))
    write(tmp_path / "c" / "d" / "e.yml", rule(4))
    write(tmp_path / "c" / "notes.txt", "not a rule")
    write(tmp_path / ".hidden.yml", "not a rule")
    write(tmp_path / ".git" / "f.yml", "not a rule")
    rules = Rules.load(tmp_path)
    assert [each.id for each in rules] == ["rule-2", "rule-3", "rule-1", "rule-4"]
    assert len(rules) == 4
    assert rules[3].file == str(tmp_path / "c" / "d" / "e.yml")
    assert rules[1].line == 11


def test_several_paths_are_read_each_file_once(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.yml", rule(1)), write(tmp_path / "b.txt", rule(2))
    assert [each.id for each in Rules.load(str(second), first, first)] == ["rule-2", "rule-1"]


def test_entries_of_a_rule_are_kept(tmp_path: Path) -> None:
    entries = {
        "id": "x-1",
        "status": "test",
        "description": "'What it finds.'",
        "references": "[https://example.com/a]",
        "author": "An Author",
        "date": "2026-11-30",
        "modified": "2026-12-01",
        "tags": "[attack.command_and_control, attack.T1071.004, attack.t1572, attack.s0154, cve.2026-1]",
        "falsepositives": "[Tests]",
    }
    found = Rules.load(write(tmp_path / "a.yml", rule_text(SELECTION, **entries)))[0]
    assert (found.id, found.title, found.level, found.status) == ("x-1", "Test", "low", "test")
    assert (found.description, found.author, found.date) == ("What it finds.", "An Author", "2026-11-30")
    assert found.modified == "2026-12-01"
    assert (found.references, found.false_positives) == (("https://example.com/a",), ("Tests",))
    assert found.techniques == ("T1071.004", "T1572")
    assert found.tactics == ("command-and-control",)


def test_rule_without_id_has_name_or_file(tmp_path: Path) -> None:
    write(tmp_path / "first_rule.yml", rule_text(SELECTION))
    write(tmp_path / "other.yml", rule_text(SELECTION, name="second_rule"))
    assert [each.id for each in Rules.load(tmp_path)] == ["first_rule", "second_rule"]


def test_error_has_all_faults(tmp_path: Path) -> None:
    write(tmp_path / "a.yml", rule(1), detection("Image: x"))
    second = write(tmp_path / "b.yml", detection("query|gt: 1\n    answer: x"))
    with pytest.raises(RuleError) as caught:
        Rules.load(tmp_path)
    error = caught.value
    assert isinstance(error, CfdnsError)
    assert (error.file, error.line, error.rule) == (str(tmp_path / "a.yml"), 17, "Test")
    assert error.code == "field.unsupported"
    assert [(fault.file, fault.line) for fault in error.faults[1:]] == [(str(second), 7), (str(second), 8)]
    assert str(error).startswith(f"{error.file}:17: rule 'Test': field.unsupported: {error.reason}")
    assert str(error).endswith("(and 2 more)")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.faults, str(copy)) == (RuleError, error.faults, str(error))


def code_of(*paths: Path) -> str:
    with pytest.raises(RuleError) as caught:
        Rules.load(*paths)
    return caught.value.code


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    assert code_of(tmp_path / "missing.yml") == "file.unreadable"


def test_folder_without_rules_is_an_error(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "file.unreadable"


def test_folder_whose_rules_were_read_is_not_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", rule(1))
    assert len(Rules.load(path, tmp_path, tmp_path)) == 1


def test_large_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"#" * MAX_FILE_BYTES)
    assert code_of(path) == "rule.form"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert code_of(path) == "file.size"


@needs_posix
def test_fifo_in_a_folder_is_not_opened(tmp_path: Path, never_stuck: None) -> None:
    os.mkfifo(tmp_path / "a.yml")
    write(tmp_path / "b.yml", rule(1))
    assert len(Rules.load(tmp_path)) == 1


def test_same_id_twice_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.yml", rule(1))
    write(tmp_path / "b.yml", rule(2), rule(1))
    with pytest.raises(RuleError, match=r"'rule-1' is also that of a rule in .*a\.yml:1") as caught:
        Rules.load(tmp_path)
    assert (caught.value.code, caught.value.line) == ("rule.duplicate", 11)


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(RuleError, match=r"install cfdns-fast\[detect\]") as caught:
        Rules.load(write(tmp_path / "a.yml", rule(1)))
    assert caught.value.code == "library.missing"


def test_warnings_have_file_line_and_rule(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", detection("query|endswith: evil.com"))
    (warning,) = Rules.load(path).warnings
    assert (warning.file, warning.line, warning.rule) == (str(path), 7, "Test")
    assert str(warning).startswith(f"{path}:7: rule 'Test': 'query|endswith': 'evil.com' without a leading dot")


def test_rules_are_pickled_with_their_conditions(shipped: dict[str, Rule]) -> None:
    copies = pickle.loads(pickle.dumps(Rules.shipped()))
    assert list(copies) == list(shipped.values())
    assert copies[2].matches({"name": "baakbgjer0fa.test.example.com"})
    assert len(copies.matcher()) == 3


def test_no_paths_are_no_rules() -> None:
    assert list(Rules.load()) == []
    assert len(Rules([]).matcher()) == 0


# Loading again


def test_poll_loads_changed_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", rule(1))
    folder = RulesFolder(tmp_path)
    first = folder.rules
    assert not folder.poll()
    assert folder.rules is first
    write(path, rule(1), rule(2))
    assert folder.poll()
    assert (len(folder.rules), len(first)) == (2, 1)
    write(tmp_path / "b" / "new.yml", rule(3))
    assert folder.poll()
    path.unlink()
    assert folder.poll()
    assert [each.id for each in folder.rules] == ["rule-3"]


def test_failed_poll_keeps_the_rules(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", rule(1))
    folder = RulesFolder(path)
    first = folder.rules
    write(path, detection("Image: x"))
    assert not folder.poll()
    assert folder.rules is first
    assert folder.error is not None and folder.error.code == "field.unsupported"
    error = folder.error
    assert not folder.poll()
    assert folder.error is error
    path.unlink()
    assert not folder.poll()
    assert folder.error.code == "file.unreadable"
    write(path, rule(1), rule(2))
    assert folder.poll()
    assert folder.error is None and len(folder.rules) == 2


def test_rules_that_can_be_read_again_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the file has not changed: a disk had a fault, or its mode was wrong."""
    path = write(tmp_path / "a.yml", rule(1))
    folder = RulesFolder(path)
    write(path, rule(1), rule(2))
    fault = Fault(str(path), None, None, "file.unreadable", "Input/output error")
    with monkeypatch.context() as patch:
        patch.setattr("cfdns_fast.detect.rules.read_file", lambda file: FileContent([], [fault], []))
        assert not folder.poll()
    assert folder.poll()
    assert folder.error is None and len(folder.rules) == 2


def test_first_load_of_a_folder_may_fail(tmp_path: Path) -> None:
    with pytest.raises(RuleError):
        RulesFolder(tmp_path)


# The rules of the package


def test_shipped_rules_load_without_warnings() -> None:
    rules = Rules.shipped()
    assert [each.title for each in rules] == [
        "Cobalt Strike DNS Beacon With Default Prefixes",
        "dnscat2 Message With Tag",
        "Sliver DNS Beaconing",
    ]
    assert rules.warnings == ()
    for each in rules:
        assert each.techniques and each.tactics and each.references and each.false_positives and each.description


def rows(name: str) -> list[list[str]]:
    lines = (CORPUS / "sliver" / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


@pytest.fixture(scope="module")
def shipped() -> dict[str, Rule]:
    """Return the rules of the package by the first words of their titles."""
    return {each.title.split(" DNS")[0].split(" Message")[0]: each for each in Rules.shipped()}


def test_sliver_rule_finds_the_corpus(shipped: dict[str, Rule]) -> None:
    header = (CORPUS / "sliver" / "positives.tsv").read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
    name, message, encoder = (header.index(key) for key in ("name", "message", "encoder"))
    found = [row for row in rows("positives.tsv") if shipped["Sliver"].matches({"name": row[name].rstrip(".")})]
    expected = [row for row in rows("positives.tsv") if row[encoder] != "base58" and row[message] != "TOTP0"]
    assert found == expected
    assert len(found) == 159


def test_sliver_rule_finds_no_benign_name(shipped: dict[str, Rule]) -> None:
    benign = [row[0].rstrip(".") for row in rows("benign.tsv")]
    assert len(benign) == 2_000
    assert [name for name in benign if shipped["Sliver"].matches({"name": name})] == []


@pytest.mark.parametrize(
    ("title", "name", "is_hit"),
    [
        ("Sliver", "11d5hqrb342f4y93bc2qegjf.any-name.test", True),
        ("Sliver", "11D5hqrb342f4Y93bc2qegjf.any-name.test", True),
        ("Sliver", "baakbgjer0fa.test.example.com", True),
        ("Sliver", "baakbp07gw.login.esethelpdesk.info", True),
        ("Sliver", "baa8.2.corax.africa", False),
        ("Sliver", "_6938IE.NAME_PAYLOAD._domainkey.1.mysliverdomain", True),
        ("Sliver", "backblaze.example.com", False),
        ("Sliver", "backb" + "a" * 6 + "ka" + "b" * 17 + ".example.com", False),
        ("Sliver", "backb" + "a" * 6 + "8a3" + "b" * 17 + ".example.com", True),
        ("Sliver", "backb" + "a" * 6 + "8a3" + "b" * 18 + ".example.com", False),
        ("Sliver", "selector1._domainkey.example.com", False),
        ("dnscat2", "dnscat.2f3a0177a1b2c3", True),
        ("dnscat2", "DNSCAT.2F3A0177A1B2C3.00ff", True),
        ("dnscat2", "dnscat.example.com", False),
        ("dnscat2", "xdnscat.2f3a0177a1b2c3", False),
        ("Cobalt Strike", "aaa.stage.123456.c2.example.com", True),
        ("Cobalt Strike", "baa.stage.7.c2.example.com", True),
        ("Cobalt Strike", "www.stage.example.com", False),
        ("Cobalt Strike", "post.140.09842910.19997cf2.c2.example.com", True),
        ("Cobalt Strike", "post.1.example.com", False),
        ("Cobalt Strike", "post.office.example.com", False),
    ],
)
def test_shipped_rule_knows_field_samples(shipped: dict[str, Rule], title: str, name: str, is_hit: bool) -> None:
    assert shipped[title].matches({"name": name}) == is_hit
