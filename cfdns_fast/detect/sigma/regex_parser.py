"""Regular expressions of Sigma as trees.

The language is the one of Sigma's appendix on modifiers: ``.``, ``^``, ``$``, ``*``, ``+``, ``?``, ``{n,m}``, classes,
``|`` and groups, and in addition ``(?:…)``, lazy quantifiers, a leading ``(?i)``, and ``\\d``, ``\\w``, ``\\s`` and
their opposites. All of it means what it means to `re` with the flag ASCII, except that ``$`` is the end of the text
only, not also the place before a last newline.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

__all__ = [
    "ALL_SYMBOLS",
    "MAX_PATTERN_LENGTH",
    "OTHER",
    "Alternatives",
    "Begin",
    "Characters",
    "End",
    "Expression",
    "RegexFault",
    "Repeat",
    "Sequence",
    "parse",
]

MAX_PATTERN_LENGTH = 4_096
MAX_GROUPS_OPEN = 32
MAX_REPEAT = 1_000

#: A symbol is an ASCII character, or this number for any other character. Sets of symbols are bits of an int.
OTHER = 128
ALL_SYMBOLS = (1 << (OTHER + 1)) - 1


class RegexFault(Exception):
    """A regular expression that is not supported: a code of `RULE_CODES` and the reason."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of a set of symbols."""

    symbols: int


@dataclass(frozen=True, slots=True)
class Begin:
    """The begin of the text."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of the text."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Expressions one after another."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several expressions."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """An expression `low` to `high` times; a `high` of None is no limit."""

    item: Expression
    low: int
    high: int | None


Expression = Characters | Begin | End | Sequence | Alternatives | Repeat


def _bits(characters: str) -> int:
    return sum(1 << ord(each) for each in set(characters))


_SETS = {"d": _bits(string.digits), "w": _bits(string.ascii_letters + string.digits + "_"), "s": _bits(" \t\n\r\f\v")}
_SETS |= {name.upper(): ALL_SYMBOLS & ~symbols for name, symbols in _SETS.items()}
_DOT = ALL_SYMBOLS & ~_bits("\n")
_GROUPS = {
    "(?=": "a lookahead",
    "(?!": "a lookahead",
    "(?<=": "a lookbehind",
    "(?<!": "a lookbehind",
    "(?P": "a named group",
    "(?<": "a named group",
    "(?>": "an atomic group",
    "(?#": "a comment",
    "(?(": "a condition",
}


def parse(pattern: str, ignores_case: bool = False) -> Expression:
    """Return a regular expression as a tree. Raises RegexFault where it is not of the language.

    With `ignores_case`, letters of a to z stand for both cases in the tree.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise RegexFault("regex.limit", f"longer than {MAX_PATTERN_LENGTH:,} characters")
    if not pattern.isascii():
        raise RegexFault("regex.unsupported", "a character outside ASCII: query names hold A-labels")
    if pattern.startswith("(?i)"):
        pattern, ignores_case = pattern[4:], True
    parser = _Parser(pattern, ignores_case)
    expression = parser.alternatives()
    if parser.peek():
        raise RegexFault("regex.unsupported", "a closing bracket without an opening one")
    return expression


class _Parser:
    """A parser by recursive descent."""

    def __init__(self, pattern: str, ignores_case: bool) -> None:
        self.pattern = pattern
        self.ignores_case = ignores_case
        self.position = 0
        self.open = 0

    def peek(self, length: int = 1) -> str:
        return self.pattern[self.position : self.position + length]

    def next(self) -> str:
        character = self.peek()
        self.position += 1
        return character

    def alternatives(self) -> Expression:
        items = [self.sequence()]
        while self.peek() == "|":
            self.next()
            items.append(self.sequence())
        return items[0] if len(items) == 1 else Alternatives(tuple(items))

    def sequence(self) -> Expression:
        items = []
        while self.peek() not in ("", "|", ")"):
            items.append(self.quantified(self.atom()))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def atom(self) -> Expression:
        character = self.next()
        match character:
            case "^":
                return Begin()
            case "$":
                return End()
            case ".":
                return Characters(_DOT)
            case "(":
                return self.group()
            case "[":
                return Characters(self.characters())
            case "\\":
                return Characters(self.folded(self.escape()))
            case "*" | "+" | "?":
                raise RegexFault("regex.unsupported", f"{character} without anything before it to repeat")
            case "{":
                raise RegexFault("regex.unsupported", "{ that does not count a repetition: write \\{")
        return Characters(self.folded(1 << ord(character)))

    def group(self) -> Expression:
        if self.peek() == "?":
            if self.peek(2) != "?:":
                rest = self.pattern[self.position - 1 :]
                name = next((name for begin, name in _GROUPS.items() if rest.startswith(begin)), "flags in a group")
                raise RegexFault("regex.unsupported", f"{name}: only (…), (?:…) and a leading (?i) are supported")
            self.position += 2
        self.open += 1
        if self.open > MAX_GROUPS_OPEN:
            raise RegexFault("regex.limit", f"more than {MAX_GROUPS_OPEN} groups open at once")
        expression = self.alternatives()
        if self.next() != ")":
            raise RegexFault("regex.unsupported", "a group without its closing bracket")
        self.open -= 1
        return expression

    def quantified(self, item: Expression) -> Expression:
        low, high = self.quantifier()
        if (low, high) == (1, 1):
            return item
        if self.peek() == "?":  # Whether a text matches does not depend on laziness.
            self.next()
        if self.peek() == "+":
            raise RegexFault("regex.unsupported", "a possessive quantifier")
        if self.peek() in ("*", "?") or self.is_counted():
            raise RegexFault("regex.unsupported", "two quantifiers in a row: use a group")
        return Repeat(item, low, high)

    def is_counted(self) -> bool:
        return self.peek() == "{"

    def quantifier(self) -> tuple[int, int | None]:
        match self.peek():
            case "*":
                low, high = 0, None
            case "+":
                low, high = 1, None
            case "?":
                low, high = 0, 1
            case "{":
                return self.count()
            case _:
                return 1, 1
        self.next()
        return low, high

    def count(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.position)
        text = self.pattern[self.position + 1 : end] if end >= 0 else ""
        first, comma, second = text.partition(",")
        if not first.isdigit() or not (second.isdigit() or not second):
            raise RegexFault("regex.unsupported", "{ that is not {n}, {n,} or {n,m}: write \\{ for the character")
        self.position = end + 1
        if max(len(first), len(second)) > 4 or int(first) > MAX_REPEAT or (second and int(second) > MAX_REPEAT):
            raise RegexFault("regex.limit", f"more than {MAX_REPEAT:,} repetitions")
        low = int(first)
        high = int(second) if second else (None if comma else low)
        if high is not None and high < low:
            raise RegexFault("regex.unsupported", f"a repetition of {low} to {high}")
        if (low, high) == (1, 1) and (self.peek() in ("*", "?", "+") or self.is_counted()):
            raise RegexFault("regex.unsupported", "two quantifiers in a row: use a group")
        return low, high

    def escape(self) -> int:
        character = self.next()
        if character in _SETS and character:
            return _SETS[character]
        if character and character in string.punctuation:
            return 1 << ord(character)
        raise RegexFault("regex.unsupported", f"the escape \\{character}")

    def characters(self) -> int:
        """Parse a class after its opening bracket."""
        is_negated = self.peek() == "^"
        if is_negated:
            self.next()
        symbols = 0
        is_first = True
        while is_first or self.peek() != "]":
            is_first = False
            low = self.member()
            if self.peek() == "-" and self.peek(2)[1:] not in ("]", ""):
                self.next()
                high = self.member()
                if _count(low) != 1 or _count(high) != 1 or high < low:
                    raise RegexFault(
                        "regex.unsupported", "a range in a class that is not from a character to a later one"
                    )
                symbols |= (high << 1) - low
            else:
                symbols |= low
        self.next()
        symbols = self.folded(symbols)
        return ALL_SYMBOLS & ~symbols if is_negated else symbols

    def member(self) -> int:
        character = self.next()
        if not character:
            raise RegexFault("regex.unsupported", "a class without its closing bracket")
        if character == "[":
            raise RegexFault("regex.unsupported", "[ within a class: write \\[")
        return self.escape() if character == "\\" else 1 << ord(character)

    def folded(self, symbols: int) -> int:
        """Return a set with both cases of its letters where case is ignored."""
        if not self.ignores_case:
            return symbols
        upper = symbols & (_bits(string.ascii_uppercase))
        lower = symbols & (_bits(string.ascii_lowercase))
        return symbols | (upper << 32) | (lower >> 32)


def _count(symbols: int) -> int:
    return symbols.bit_count()
