"""A public-suffix walk written for this job: for names as the corpora have them, tldextract's answers without its cost.

Names are split by offsets into the lower-cased name against a flat table of rules. Not exact are addresses, suffixes in
other letters than ASCII ones, empty labels, and names that change their length in lower case.
"""

from __future__ import annotations

from .common import suffix_rules

SUFFIX, DEEPER, WILD, EXCEPT = 1, 2, 4, 8


def _table() -> dict[str, int]:
    """Return for each rule, and for each domain above one, what the walk has to know there."""
    table: dict[str, int] = {}
    for rule in suffix_rules():
        flag = SUFFIX
        if rule.startswith("*."):
            rule, flag = rule[2:], WILD | DEEPER
        elif rule.startswith("!"):
            rule, flag = rule[1:], EXCEPT
        if not rule.isascii():
            rule = rule.encode("idna").decode()
        table[rule] = table.get(rule, 0) | flag
        while "." in rule:
            rule = rule.partition(".")[2]
            table[rule] = table.get(rule, 0) | DEEPER
    return table


RULES = _table()


def suffix_start(name: str) -> int:
    """Return the offset of the public suffix in a lower-case name; -1 if there is none."""
    best, at, wild, parent, rules = -1, len(name), 0, -1, RULES.get
    while at > 0:
        at = name.rfind(".", 0, at)
        flags = rules(name[at + 1 :], 0)
        if flags & EXCEPT:
            return parent
        if wild or flags & SUFFIX:
            best = at + 1
        if not flags & DEEPER:
            break
        wild, parent = flags & WILD, at + 1
    return best


def split(query_name: str) -> tuple[str, str, str, str]:
    """Return what `common.split_name` returns."""
    name = query_name.strip(".")
    start = suffix_start(name.lower())
    if start < 0:
        return name, "", name.rpartition(".")[0], ""
    if start == 0:
        return name, "", "", name
    before = name.rfind(".", 0, start - 1)
    return name, name[before + 1 :], name[:before] if before > 0 else "", name[start:]
