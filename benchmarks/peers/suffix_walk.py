"""Split names by a flat table of suffix rules, with the results of tldextract for the names of the corpora.

The walk uses offsets into the lower-case name. Its results differ for addresses, suffixes that are not ASCII, empty
labels, and names whose lower case has another length.
"""

from __future__ import annotations

from .common import suffix_rules

SUFFIX, DEEPER, WILD, EXCEPT = 1, 2, 4, 8


def _table() -> dict[str, int]:
    """Return the flags of each rule, and of each domain above a rule."""
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
    """Return the result of `common.split_name`."""
    name = query_name.strip(".")
    start = suffix_start(name.lower())
    if start < 0:
        return name, "", name.rpartition(".")[0], ""
    if start == 0:
        return name, "", "", name
    before = name.rfind(".", 0, start - 1)
    return name, name[before + 1 :], name[:before] if before > 0 else "", name[start:]
