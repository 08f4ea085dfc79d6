"""The language of conditions: searches, ``and``, ``or``, ``not``, brackets, and ``1 of`` and ``all of``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from . import strings
from .conditions import Condition, conjunction, disjunction, negation
from .faults import FaultFound
from .strings import expression_of

__all__ = ["MAX_TOKENS", "parse"]

MAX_TOKENS = 400
#: Compiled conditions may be 64 levels deep, and a bracket can need three.
MAX_BRACKETS = 16

_TOKEN = re.compile(r"\s*(?:([\w*-]+)|(.))", re.ASCII | re.DOTALL)
_WORDS = ("and", "or", "not", "of", "them")


def parse(text: str, searches: Mapping[str, Condition], line: int) -> tuple[Condition, set[str]]:
    """Return the condition, and the names of the searches that it uses.

    Raises FaultFound where the text is not of the language, or names a search that is not in `searches`.
    """
    parser = _Parser(_tokens(text, line), searches, line)
    condition = parser.either()
    if parser.token:
        raise parser.fault(f"{parser.token!r} is not expected here")
    return condition, parser.used


def _tokens(text: str, line: int) -> list[str]:
    if "|" in text:
        reason = "an aggregation (|) needs many events: remove it, and count alerts by window instead"
        raise FaultFound("condition.aggregation", line, reason)
    tokens: list[str] = []
    for found in _TOKEN.finditer(text.rstrip()):
        word, other = found.groups()
        if other is not None and other not in "()":
            raise FaultFound("condition.syntax", line, f"the character {other!r} is not allowed in a condition")
        tokens.append(word if word is not None else other)
        if len(tokens) > MAX_TOKENS:
            raise FaultFound("condition.syntax", line, f"more than {MAX_TOKENS} words and brackets in a condition")
    if not tokens:
        raise FaultFound("condition.syntax", line, "the condition is empty")
    return tokens


class _Parser:
    """A parser by recursive descent; ``not`` binds tighter than ``and``, and that tighter than ``or``."""

    def __init__(self, tokens: list[str], searches: Mapping[str, Condition], line: int) -> None:
        self.tokens = tokens
        self.searches = searches
        self.line = line
        self.position = 0
        self.brackets = 0
        self.used: set[str] = set()

    @property
    def token(self) -> str:
        """The next token, "" at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def next(self) -> str:
        token = self.token
        self.position += 1
        return token

    def fault(self, reason: str, code: str = "condition.syntax") -> FaultFound:
        return FaultFound(code, self.line, reason)

    def either(self) -> Condition:
        parts = [self.both()]
        while self.token == "or":
            self.next()
            parts.append(self.both())
        return disjunction(parts)

    def both(self) -> Condition:
        parts = [self.one()]
        while self.token == "and":
            self.next()
            parts.append(self.one())
        return conjunction(parts)

    def one(self) -> Condition:
        is_negated = False
        while self.token == "not":
            self.next()
            is_negated = not is_negated
        condition = self.operand()
        return negation(condition) if is_negated else condition

    def operand(self) -> Condition:
        token = self.next()
        if token == "(":
            self.brackets += 1
            if self.brackets > MAX_BRACKETS:
                raise self.fault(f"more than {MAX_BRACKETS} brackets open at once")
            condition = self.either()
            self.brackets -= 1
            if self.next() != ")":
                raise self.fault("a bracket is not closed")
            return condition
        if self.token == "of":
            return self.selector(token)
        if token in ("", ")", *_WORDS):
            raise self.fault(f"a search is expected {'at the end' if not token else f'instead of {token!r}'}")
        if "*" in token:
            raise self.fault(f"{token!r} needs 1 of or all of before it")
        if token not in self.searches:
            hint = f": write {token.lower()}" if token.lower() in _WORDS else ""
            raise self.fault(f"there is no search {token!r}{hint}", "condition.search")
        self.used.add(token)
        return self.searches[token]

    def selector(self, quantifier: str) -> Condition:
        if quantifier not in ("1", "any", "all"):
            raise self.fault(f"{quantifier!r} of is not supported: write 1 of or all of")
        self.next()
        pattern = self.next()
        if pattern in ("", "(", ")", *_WORDS[:-1]):
            raise self.fault(f"{quantifier} of needs them or a pattern of names")
        wanted = "*" if pattern == "them" else pattern
        expression = expression_of(strings.parse(wanted))
        # Names that begin with an underscore are left out by convention, unless the pattern has it.
        names = [
            name
            for name in self.searches
            if expression.fullmatch(name) and (wanted.startswith("_") or not name.startswith("_"))
        ]
        if not names:
            raise self.fault(f"{quantifier} of {pattern}: no search has such a name", "condition.search")
        self.used.update(names)
        join = conjunction if quantifier == "all" else disjunction
        return join(self.searches[name] for name in names)
