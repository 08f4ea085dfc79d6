"""Which metrics and labels an expression of PromQL uses; enough for the dashboard and the alerts of this package."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Expression", "base_name"]

_STRING = r'"(?:[^"\\]|\\.)*"'
_SELECTOR = re.compile(rf"([a-zA-Z_:][\w:]*)?\s*\{{((?:[^{{}}\"]|{_STRING})*)\}}")
_MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({_STRING})")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NOISE = re.compile(rf"{_STRING}|\[[^\]]*\]|\b\d[\w.]*|\b\w+\s*\(")
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}


@dataclass
class Expression:
    """The parts of an expression.

    Attributes
    ----------
    metrics : dict
        The names of metrics, each with its matchers: label, operator and value.
    grouping : set
        The labels of ``by (…)`` and of similar clauses.
    """

    text: str
    metrics: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    grouping: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        rest = self.text
        for found in _SELECTOR.finditer(rest):
            matchers = [(label, operator, value[1:-1]) for label, operator, value in _MATCHER.findall(found[2])]
            assert found[1], f"a selector without a name: {self.text}"
            self.metrics.setdefault(found[1], []).extend(matchers)
        rest = _SELECTOR.sub(" ", rest)
        for found in _GROUPING.finditer(rest):
            self.grouping |= {label.strip() for label in found[1].split(",") if label.strip()}
        rest = _NOISE.sub(" ", _GROUPING.sub(" ", rest))
        for name in re.findall(r"[a-zA-Z_:][\w:]*", rest):
            if name not in _WORDS:
                self.metrics.setdefault(name, [])

    @property
    def is_aggregated(self) -> bool:
        """Whether the result has only the labels of `grouping`."""
        return bool(re.search(r"\b(sum|min|max|avg|count|topk|quantile)\b", self.text))


def base_name(name: str) -> str:
    """Return the name of the metric to which a sample belongs."""
    return re.sub(r"_(bucket|sum|count)$", "", name)
