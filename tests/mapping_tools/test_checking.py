"""Warnings of a mapping file, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mappings import field, write_mapping

from cfdns_fast.mapping import bundled, bundled_path
from cfdns_fast.mapping_tools import check_content, check_file


def warnings(text: str) -> list[str]:
    findings = check_content(text.encode(), "my.toml")
    assert findings.mapping is not None and not findings.faults
    return list(map(str, findings.warnings))


def test_unknown_key_is_a_warning() -> None:
    text = 'dataset = "dns_logs"\n' + field(to="a", kind="text", **{"from": "queryname"})
    assert warnings(text) == ["my.toml:5: field 1 (a): dns_logs has no key 'queryname'; did you mean QueryName?"]
    text = 'dataset = "dns_logs"\n' + field(to="a", kind="text", **{"from": ["qname", "QueryNme"]})
    (line,) = warnings(text)
    assert line.endswith("dns_logs has no key 'qname' or 'QueryNme'; did you mean QueryName?")


def test_key_of_any_dataset_suffices_without_a_dataset() -> None:
    assert warnings(field(to="a", kind="text", **{"from": "ResolvedIPs"})) == []
    (warning,) = warnings('dataset = "dns_logs"\n' + field(to="a", kind="text", **{"from": "ResolvedIPs"}))
    assert "dns_logs has no key 'ResolvedIPs'" in warning


def test_one_known_name_of_several_suffices() -> None:
    assert warnings(field(to="a", kind="text", **{"from": ["qname", "QueryName"]})) == []
    (warning,) = warnings(field(to="a", kind="text", **{"from": ["qname", "zzz"]}))
    assert "have no key 'qname' or 'zzz'" in warning


def test_unknown_dataset_is_a_warning() -> None:
    text = '\ndataset = "http"\n' + field(to="a", kind="constant", value=1)
    known = ", ".join(bundled())
    assert warnings(text) == [f"my.toml:2: dataset: no such dataset of DNS logs: 'http'; known: {known}"]


@pytest.mark.parametrize(("schema", "dataset"), [(name, key) for key, names in bundled().items() for name in names])
def test_bundled_mappings_have_no_finding(schema: str, dataset: str) -> None:
    findings = check_file(bundled_path(schema, dataset))
    assert findings[1:] == ((), ())


def test_file_with_faults_has_no_mapping(tmp_path: Path) -> None:
    findings = check_file(str(write_mapping(tmp_path, "x = 1\n")))
    assert findings.mapping is None
    assert [fault.line for fault in findings.faults] == [None, 1]


def test_unreadable_file_has_one_fault(tmp_path: Path) -> None:
    (fault,) = check_file(str(tmp_path / "absent.toml")).faults
    assert "cannot be read" in fault.reason
