"""The layer for the ATT&CK Navigator: it lists the techniques of the rules, in the format 4.5."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("yaml", reason="rules are YAML")

from support.sigma_rules import rule_text, rules_of

from cfdns_fast.detect import Rules, layer_of
from cfdns_fast.detect.layer import layer_faults


def techniques(*tags: str) -> list[dict[str, Any]]:
    """Return the entries of a layer of rules with these tags, titled A, B and so on."""
    rules = [
        rules_of(rule_text("s:\n    query: a", "s", title=chr(65 + number), tags=each)).rules[0]
        for number, each in enumerate(tags)
    ]
    layer = layer_of(rules)
    assert layer_faults(layer) == []
    return [{key: value for key, value in each.items() if key != "score"} for each in layer["techniques"]]


def test_shipped_rules_make_a_valid_layer() -> None:
    layer = json.loads(json.dumps(layer_of(Rules.shipped())))
    assert layer_faults(layer) == []
    assert layer["versions"] == {"attack": "19", "navigator": "5.1.0", "layer": "4.5"}
    covered = {each["techniqueID"]: each.get("score") for each in layer["techniques"]}
    scored = dict.fromkeys(("T1071.004", "T1572", "T1132.001", "T1132.002"), 100)
    assert covered == {**scored, "T1071": None, "T1132": None}
    assert {each["tactic"] for each in layer["techniques"]} == {"command-and-control"}


def test_rules_of_one_technique_share_an_entry() -> None:
    assert techniques("[attack.command-and-control, attack.t1572]", "[attack.command_and_control, attack.t1572]") == [
        {"techniqueID": "T1572", "tactic": "command-and-control", "comment": "Rules: A, B"}
    ]


def test_entry_has_the_tactic_if_there_is_one() -> None:
    assert techniques(
        "[attack.t1041]", "[attack.exfiltration, attack.t1041, attack.impact]", "[attack.exfiltration, attack.t1041]"
    ) == [
        {"techniqueID": "T1041", "comment": "Rules: A, B"},
        {"techniqueID": "T1041", "tactic": "exfiltration", "comment": "Rules: C"},
    ]


def test_technique_of_a_sub_technique_is_open() -> None:
    tags = "[attack.command-and-control, attack.t1071.004, attack.t1071]"
    assert techniques(tags) == [
        {"techniqueID": "T1071", "tactic": "command-and-control", "comment": "Rules: A", "showSubtechniques": True},
        {"techniqueID": "T1071.004", "tactic": "command-and-control", "comment": "Rules: A"},
    ]
    assert techniques("[attack.t1071.004]")[0] == {"techniqueID": "T1071", "showSubtechniques": True}


def test_rules_without_techniques_have_no_entries() -> None:
    assert techniques("[attack.command-and-control, cve.2026-1]") == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": None}, "name must be a text"),
        ({"domain": 1}, "domain must be a text"),
        ({"versions": []}, "versions must be an object"),
        ({"versions": {"attack": 19, "layer": "4.5", "navigator": "5.1.0"}}, "versions.attack must be a text"),
        ({"versions": {"layer": "4.4", "navigator": "5.1.0"}}, 'versions.layer must be "4.5"'),
        ({"versions": {"layer": "4.5", "navigator": "4.8.2"}}, 'versions.navigator must be "4.9.0" or later'),
        ({"versions": {"layer": "4.5"}}, 'versions.navigator must be "4.9.0" or later'),
        ({"techniques": {}}, "techniques must be an array"),
        ({"techniques": [1]}, "techniques[0]: must be an object"),
        ({"techniques": [{}]}, "techniques[0]: techniqueID must be of the form T0000 or T0000.000"),
        (
            {"techniques": [{"techniqueID": "t1071"}]},
            "techniques[0]: techniqueID must be of the form T0000 or T0000.000",
        ),
        (
            {"techniques": [{"techniqueID": "T1071", "tactic": "c2"}]},
            "techniques[0]: tactic must be the short name of a tactic",
        ),
        ({"techniques": [{"techniqueID": "T1071", "score": 1.0}]}, "techniques[0]: score must be of type int"),
        ({"techniques": [{"techniqueID": "T1071", "score": True}]}, "techniques[0]: score must be of type int"),
        ({"techniques": [{"techniqueID": "T1071", "comment": 1}]}, "techniques[0]: comment must be of type str"),
        (
            {"techniques": [{"techniqueID": "T1071", "showSubtechniques": 1}]},
            "techniques[0]: showSubtechniques must be of type bool",
        ),
        ({"techniques": [{"techniqueID": "T1071"}] * 2}, "a technique is twice in one tactic"),
    ],
)
def test_fault_of_a_layer_is_found(change: dict[str, Any], fault: str) -> None:
    assert layer_faults({**layer_of([]), **change}) == [fault]


def test_other_value_is_no_layer() -> None:
    assert layer_faults([]) == ["a layer must be an object"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mitreattack_loads_the_layer() -> None:
    library = pytest.importorskip("mitreattack.navlayers", reason="mitreattack-python reads layers")
    layer = layer_of(Rules.shipped())
    loaded = library.Layer(init_data=layer, name="shipped", strict=True)
    read = loaded.to_dict()
    assert read["versions"] == layer["versions"]
    assert read["domain"] == layer["domain"]
    keys = ("techniqueID", "tactic", "score", "comment", "showSubtechniques")
    entries = [{key: each[key] for key in keys if key in each} for each in read["techniques"]]
    assert [{"showSubtechniques": False, **each} for each in layer["techniques"]] == [
        {"showSubtechniques": False, **each} for each in entries
    ]
