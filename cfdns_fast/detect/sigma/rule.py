"""A rule that was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from .automaton import Automaton
from .conditions import AnyOf, Condition, Match, Values, conjunction, disjunction, predicate_of, relax
from .regex_literals import Literal, literals_of
from .tactics import TACTICS

__all__ = ["LEVELS", "STATUSES", "Rule", "screen_of"]

#: From the least to the most severe.
LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")

_TECHNIQUE = re.compile(r"attack\.t(\d{4}(?:\.\d{3})?)")


@dataclass(frozen=True, slots=True)
class Rule:
    """A Sigma rule.

    Attributes
    ----------
    id : str
        The id, or the name of the rule, or the name of its file without the suffix.
    title, description : str
        What it finds.
    level : str
        One of "informational", "low", "medium", "high" and "critical"; "medium" if the rule has none.
    status : str or None
        One of "stable", "test", "experimental", "deprecated" and "unsupported", or None.
    tags, references, false_positives : tuple of str
        As written.
    author, date, modified : str or None
        As written.
    condition : Condition
        When the rule matches.
    screen : Condition
        A condition without regular expressions that is true wherever `condition` is; the same one if there are none.
    file : str
        The file.
    line : int
        The line of its first entry.
    """

    id: str
    title: str
    level: str
    condition: Condition
    screen: Condition
    file: str
    line: int
    status: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    author: str | None = None
    date: str | None = None
    modified: str | None = None
    _predicate: Callable[[Values], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_predicate", predicate_of(self.condition))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rule_of, ({each.name: getattr(self, each.name) for each in fields(self) if each.init},)

    @property
    def techniques(self) -> tuple[str, ...]:
        """The ATT&CK techniques of the tags, for example "T1071.004"."""
        found = (_TECHNIQUE.fullmatch(tag.lower()) for tag in self.tags)
        return tuple(dict.fromkeys(f"T{each[1]}" for each in found if each))

    @property
    def tactics(self) -> tuple[str, ...]:
        """The short names of the ATT&CK tactics of the tags, for example "command-and-control"."""
        names = (
            tag.lower().removeprefix("attack.").replace("_", "-") for tag in self.tags if tag.lower()[:7] == "attack."
        )
        return tuple(dict.fromkeys(name for name in names if name in TACTICS))

    def matches(self, values: Values) -> bool:
        """Return whether the rule matches an event.

        Parameters
        ----------
        values : mapping
            The fields "name" (without a dot at the end), "type", "rcode" and "source" of the event; an absent field is
            None, or not in the mapping. Without a name, no rule matches.
        """
        return bool(values.get("name")) and self._predicate(values)


def _rule_of(values: dict[str, Any]) -> Rule:
    return Rule(**values)


def screen_of(condition: Condition) -> Condition:
    """Return a condition without regular expressions that is true wherever the given one is."""

    def literals(match: Match) -> Condition | None:
        if match.operator != "re":
            return None
        automata = [each for each in match.values if isinstance(each, Automaton)]
        screens = [
            conjunction(_one_of(match.field, texts) for texts in literals_of(each.expression)) for each in automata
        ]
        return conjunction(screens) if match.all_of else _merged(screens)

    return relax(condition, literals)


def _one_of(field: str, literals: Iterable[Literal]) -> Condition:
    by_operator: dict[str, list[str]] = {}
    for operator, text in literals:
        by_operator.setdefault(operator, []).append(text)
    return disjunction(Match(field, operator, tuple(texts)) for operator, texts in by_operator.items())


def _merged(conditions: list[Condition]) -> Condition:
    """Return a condition that is true if one of the given ones is, with one match for all texts of an operator."""
    texts: dict[tuple[str, str], dict[object, None]] = {}
    others: dict[Condition, None] = {}
    for condition in conditions:
        for part in condition.conditions if isinstance(condition, AnyOf) else (condition,):
            if isinstance(part, Match):
                texts.setdefault((part.field, part.operator), {}).update(dict.fromkeys(part.values))
            else:
                others[part] = None
    matches = [Match(field, operator, tuple(values)) for (field, operator), values in texts.items()]  # type: ignore[arg-type]
    return disjunction([*matches, *others])
