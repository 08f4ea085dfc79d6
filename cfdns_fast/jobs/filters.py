"""Filters of a job, checked before a call: the API answers most mistakes with one text."""

from __future__ import annotations

import json
from typing import Any

from .errors import JobSettingError

__all__ = ["check_filter"]

# Cloudflare's page logs/logpush/logpush-job/filters, read in November 2026.
_WITH_OPPOSITE = ("eq", "startsWith", "endsWith", "contains", "in")
OPERATORS = frozenset(("lt", "leq", "gt", "geq", *_WITH_OPPOSITE, *(f"!{each}" for each in _WITH_OPPOSITE)))
MAX_OPERATORS = 30
MAX_FILTER_BYTES = 1000


def check_filter(text: str) -> str:
    """Return a filter as the API takes it: JSON without spaces.

    Raises JobSettingError if it is not ``{"where": …}`` of conditions that Logpush has, or is too long.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid('a filter is JSON, such as {"where":{"key":"QueryType","operator":"eq","value":28}}') from None
    if not isinstance(document, dict) or set(document) != {"where"}:
        raise _invalid('a filter is one object with the key "where" and no other')
    count = _count(document["where"], 0)
    if count > MAX_OPERATORS:
        raise _invalid(f"a filter has at most about {MAX_OPERATORS} conditions, and this one has {count}")
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    size = len(compact.encode("utf-8", "replace"))
    if size > MAX_FILTER_BYTES:
        raise _invalid(f"a filter has at most {MAX_FILTER_BYTES} bytes, and this one has {size}")
    return compact


def _count(condition: Any, depth: int) -> int:
    """Return the number of conditions, and check each."""
    if depth > MAX_OPERATORS:
        raise _invalid(f"a filter has at most about {MAX_OPERATORS} conditions within each other")
    if not isinstance(condition, dict):
        raise _invalid("a condition of a filter is an object")
    for joint in ("and", "or"):
        if joint in condition:
            members = condition[joint]
            if len(condition) != 1 or not isinstance(members, list) or not members:
                raise _invalid(f'"{joint}" of a filter holds a list of conditions and stands alone')
            return sum(_count(member, depth + 1) for member in members)
    if set(condition) != {"key", "operator", "value"}:
        raise _invalid("a condition of a filter has key, operator and value, or is a list under and or or")
    operator, value = condition["operator"], condition["value"]
    if not isinstance(condition["key"], str) or not condition["key"]:
        raise _invalid("the key of a condition is the name of a field")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise _invalid(f"a filter has no operator {operator!r}; there are {', '.join(sorted(OPERATORS))}")
    if (operator in ("in", "!in")) != isinstance(value, list):
        raise _invalid("in and !in take a list of values, and the other operators one value")
    if isinstance(value, dict) or value is None:
        raise _invalid("the value of a condition is a text, a number, true or false, or a list of these")
    return 1


def _invalid(text: str) -> JobSettingError:
    return JobSettingError("job.filter", text)
