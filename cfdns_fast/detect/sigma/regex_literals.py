"""The texts of which every match of a regular expression contains one.

An expression runs only on names that contain one of the texts, which is tested first, by the same tests as other
values of rules.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from .regex_parser import OTHER, Alternatives, Begin, Characters, End, Expression, Repeat, Sequence

__all__ = ["MIN_FIRST_LENGTH", "MIN_LAST_LENGTH", "MIN_LENGTH", "Literal", "literals_of"]

#: The shortest texts that the screen of `matching.Predicates` can use: at the begin and the end of the name, and
#: elsewhere. A text of four with a dot at one of its ends costs less than others of any place.
MIN_FIRST_LENGTH = 2
MIN_LAST_LENGTH = 4
MIN_LENGTH = 3
#: Limits of sets of texts: of one run of characters, and of an expression.
MAX_RUN = 32
MAX_LITERALS = 256
_ANCHORED = 1


class Literal(NamedTuple):
    """A text in lower case, and where it is: "startswith", "endswith" or "contains"."""

    operator: str
    text: str


def literals_of(expression: Expression) -> tuple[tuple[Literal, ...], ...]:
    """Return sets of texts; every match contains a text of each set. The result is empty if no set is good enough.

    The first set is the best one, and others are of texts at the ends of the name.
    """
    items = expression.items if isinstance(expression, Sequence) else (expression,)
    found = _candidates(items, is_first=False, is_last=False)
    candidates = [frozenset(map(_usable, each)) for each in found if len(each) <= MAX_LITERALS]
    best = _best(candidates)
    if best is None or not _are_long_enough(best):
        return ()
    others = [each for each in candidates if each != best and all(text.operator != "contains" for text in each)]
    return tuple(tuple(sorted(each)) for each in (best, *others))


def _usable(literal: Literal) -> Literal:
    """Return a text that is too short for an end of the name, and long enough elsewhere, as one of any place."""
    is_short = literal.operator == "endswith" and MIN_LENGTH <= len(literal.text) < MIN_LAST_LENGTH
    return Literal("contains", literal.text) if is_short else literal


def _has_a_place(literal: Literal) -> bool:
    """Return whether the screen looks for a text at few places of a name."""
    operator, text = literal
    if operator == "startswith":
        return len(text) >= MIN_FIRST_LENGTH
    dots = [at for at, character in enumerate(text) if character == "."]
    return len(text) >= 4 and (operator == "endswith" or any(at >= 3 or len(text) - at >= 4 for at in dots))


def _are_long_enough(literals: frozenset[Literal]) -> bool:
    return all(
        _has_a_place(literal) or (literal.operator == "contains" and len(literal.text) >= MIN_LENGTH)
        for literal in literals
    )


def _required(expression: Expression, is_first: bool, is_last: bool) -> frozenset[Literal] | None:
    """Return literals of which each match contains one.

    `is_first` and `is_last` are whether each match of the expression begins, or ends, where the text does.
    """
    match expression:
        case Characters() | Begin() | End():
            texts = _texts(expression)
            operator = "startswith" if is_first else "endswith" if is_last else "contains"
            return frozenset(Literal(operator, text) for text in texts) if texts and "" not in texts else None
        case Sequence(items):
            return _best(_candidates(items, is_first, is_last))
        case Alternatives(items):
            found: set[Literal] = set()
            for item in items:
                literals = _required(item, is_first, is_last)
                if literals is None:
                    return None
                found |= literals
            return frozenset(found) if len(found) <= MAX_LITERALS else None
        case Repeat(item, low, _):
            # The first repetition begins where all of them do, and the last one ends there.
            return _required(item, is_first, is_last) if low else None


def _candidates(items: tuple[Expression, ...], is_first: bool, is_last: bool) -> list[frozenset[Literal]]:
    """Return the literals of each run of characters, and those of each other item."""
    found: list[frozenset[Literal]] = []
    run = frozenset({""})
    run_is_first = is_first

    def end_run(is_at_end: bool) -> None:
        operator = "startswith" if run_is_first else "endswith" if is_at_end else "contains"
        if "" not in run:
            found.append(frozenset(Literal(operator, text) for text in run))

    #: Whether only anchors are before the item.
    is_begin = is_first
    for number, item in enumerate(items):
        if isinstance(item, Begin):
            end_run(False)
            run, run_is_first, is_begin = frozenset({""}), True, True
            continue
        is_end = all(isinstance(each, End) for each in items[number + 1 :]) and (is_last or number + 1 < len(items))
        texts = _texts(item)
        if texts is None:
            end_run(False)
            run, run_is_first = frozenset({""}), False
            literals = _required(item, is_begin, is_end)
            if literals is not None:
                found.append(literals)
        elif len(run) * len(texts) > MAX_RUN:
            end_run(False)
            run, run_is_first = texts, False
        else:
            run = frozenset(first + second for first, second in product(run, texts))
        is_begin = is_begin and isinstance(item, Begin | End)
        if is_end and not isinstance(item, End):
            end_run(texts is not None)
            run, run_is_first = frozenset({""}), False
    end_run(is_last)
    return found


def _texts(expression: Expression) -> frozenset[str] | None:
    """Return all texts that an expression matches, in lower case, or None if they are many."""
    match expression:
        case Begin() | End():
            return frozenset({""})
        case Characters(symbols):
            if symbols >> OTHER & 1 or symbols.bit_count() > 2 * MAX_RUN:
                return None
            found = frozenset(chr(each).lower() for each in range(OTHER) if symbols >> each & 1)
            return found if 0 < len(found) <= MAX_RUN // 4 else None
        case Sequence(items):
            return _joined(items)
        case Alternatives(items):
            all_texts: set[str] = set()
            for item in items:
                texts = _texts(item)
                if texts is None:
                    return None
                all_texts |= texts
            return frozenset(all_texts) if len(all_texts) <= MAX_RUN else None
        case Repeat(item, low, high):
            if high is None or high > MAX_RUN:
                return None
            counts = [_joined((item,) * count) for count in range(low, high + 1)]
            if len(counts) > 2 or any(each is None for each in counts):
                return None
            joined = frozenset(text for each in counts if each is not None for text in each)
            return joined if len(joined) <= MAX_RUN else None


def _joined(items: tuple[Expression, ...]) -> frozenset[str] | None:
    run = frozenset({""})
    for item in items:
        texts = _texts(item)
        if texts is None or len(run) * len(texts) > MAX_RUN:
            return None
        run = frozenset(first + second for first, second in product(run, texts))
    return run


def _best(candidates: list[frozenset[Literal]]) -> frozenset[Literal] | None:
    """Return the set that the fewest names contain, as far as its sizes tell.

    Half a character less is counted for each doubling of the set, and one more for a text at an end of the name.
    """

    def rank(literals: frozenset[Literal]) -> tuple[bool, bool, float, list[Literal]]:
        shortest = min(len(text) + _ANCHORED * (operator != "contains") for operator, text in literals)
        size = shortest - len(literals).bit_length() / 2
        return _are_long_enough(literals), all(map(_has_a_place, literals)), size, sorted(literals)

    usable = [each for each in candidates if each]
    return max(usable, key=rank) if usable else None
