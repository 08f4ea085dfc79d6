"""A slow evaluator of Sigma rules, written from the specification and from no code of the package.

It reads rules with yaml.safe_load and evaluates them on one event at a time: values become regular expressions of `re`,
and conditions become Python expressions. It supports the subset that the package supports, and checks nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

__all__ = ["FIELD_NAMES", "NaiveRule"]

#: The field of an event by the names that rules use.
FIELD_NAMES = {
    **dict.fromkeys(("query", "QueryName", "QNAME", "dns.question.name"), "name"),
    **dict.fromkeys(("record_type", "qtype_name", "QueryType", "dns.question.type"), "type"),
    **dict.fromkeys(("rcode_name", "dns.response_code"), "rcode"),
    **dict.fromkeys(("src_ip", "source.ip"), "source"),
}


class NaiveRule:
    """A rule; `matches` says whether an event matches, given as a mapping from field to text or None."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        detection = dict(rule["detection"])
        conditions = detection.pop("condition")
        self.searches = detection
        texts = conditions if isinstance(conditions, list) else [conditions]
        self.code = compile(" or ".join(f"({self._python(text)})" for text in texts), "<condition>", "eval")

    def matches(self, event: Mapping[str, str | None]) -> bool:
        return bool(eval(self.code, {"s": lambda name: self._search(self.searches[name], event)}))

    def _python(self, text: str) -> str:
        """Return a condition as a Python expression: Python's operators bind as those of Sigma do."""

        def selector(found: re.Match[str]) -> str:
            quantifier, pattern = found.groups()
            wanted = "*" if pattern == "them" else pattern
            expression = "".join(".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", wanted))
            names = [name for name in self.searches if re.fullmatch(expression, name)]
            if not wanted.startswith("_"):
                names = [name for name in names if not name.startswith("_")]
            join = "all" if quantifier == "all" else "any"
            return f" {join}([{', '.join(f's({name!r})' for name in names)}]) "

        done: list[str] = []
        position = 0
        for found in re.finditer(r"\b(1|any|all)\s+of\s+([\w*-]+)", text):
            done += [self._plain(text[position : found.start()]), selector(found)]
            position = found.end()
        return "".join([*done, self._plain(text[position:])])

    @staticmethod
    def _plain(text: str) -> str:
        return re.sub(
            r"[\w-]+", lambda found: found[0] if found[0] in ("and", "or", "not") else f"s({found[0]!r})", text
        )

    def _search(self, search: Any, event: Mapping[str, str | None]) -> bool:
        if isinstance(search, list):
            return any(self._search(each, event) for each in search)
        return all(self._item(key, value, event) for key, value in search.items())

    @staticmethod
    def _item(key: str, value: Any, event: Mapping[str, str | None]) -> bool:
        name, *modifiers = key.split("|")
        actual = event.get(FIELD_NAMES[name])
        values = value if isinstance(value, list) else [value]
        results = [_is_match(actual, each, tuple(modifiers)) for each in values]
        return all(results) if "all" in modifiers else any(results)


def _is_match(actual: str | None, wanted: Any, modifiers: tuple[str, ...]) -> bool:
    if "exists" in modifiers:
        return (actual is not None) == wanted
    if wanted is None:
        return actual is None
    if actual is None:
        return False
    if "cidr" in modifiers:
        try:
            return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted)
        except ValueError:
            return False
    if "re" in modifiers:
        return _regular_expression(wanted, "i" in modifiers).search(actual) is not None
    return _value(str(wanted), modifiers).fullmatch(actual) is not None


@cache
def _regular_expression(pattern: str, ignores_case: bool) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | (re.IGNORECASE if ignores_case else 0))


@cache
def _value(text: str, modifiers: tuple[str, ...]) -> re.Pattern[str]:
    """Return a regular expression for a value with wildcards and escapes."""
    source = ""
    for part in re.findall(r"\\[*?\\]|.", text, re.DOTALL):
        if len(part) == 2:
            source += re.escape(part[1])
        else:
            source += {"*": ".*", "?": "."}.get(part, re.escape(part))
    if {"contains", "endswith"} & {*modifiers}:
        source = f".*{source}"
    if {"contains", "startswith"} & {*modifiers}:
        source = f"{source}.*"
    # Without case, for the letters a to z alone: re.ASCII does not limit re.IGNORECASE to ASCII for characters of text.
    flags = re.DOTALL
    if "cased" not in modifiers:
        source = re.sub(r"\\?[A-Za-z]", _both_cases, source)
    return re.compile(source, flags)


def _both_cases(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if len(letter) == 2 else f"[{letter.lower()}{letter.upper()}]"
