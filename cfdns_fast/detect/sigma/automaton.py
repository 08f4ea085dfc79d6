"""Regular expressions as deterministic automata: one table look-up a character, whatever the expression is.

An expression is never run by backtracking, so that no expression and no text makes matching slower than linear. What
an expression can cost is memory and time when it is compiled, and both are bounded here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ... import matching
from .regex_parser import (
    ALL_SYMBOLS,
    OTHER,
    Alternatives,
    Begin,
    Characters,
    End,
    Expression,
    RegexFault,
    Repeat,
    Sequence,
    parse,
)

__all__ = ["MAX_NAME_LENGTH", "MAX_STATES", "Automaton"]

#: Longer texts do not match. A query name of 255 octets has at most 1,004 characters, each octet escaped.
MAX_NAME_LENGTH = 1_024
#: Limits of an expression. The longest one of the bundled rules has 900 nodes and 400 states.
MAX_NODES = 8_000
MAX_STATES = 4_000
#: Steps of the construction, about 0.02 µs each.
MAX_STEPS = 20_000_000

_DEAD, _FOUND = 0, 1


class Automaton:
    """A compiled regular expression, which is searched for in a text.

    Raises RegexFault where the expression is not supported or is beyond a limit. It is immutable, and any thread may
    use it.

    Parameters
    ----------
    pattern : str
        The expression.
    ignores_case : bool
        Whether letters of a to z match in both cases.
    max_steps : int
        Maximum number of steps to compile it.

    Attributes
    ----------
    expression : Expression
        The tree.
    classes : bytes
        The class of each symbol, by its number; symbol 128 is any character that is not ASCII.
    table : list of tuples of int
        The next state, by state and class. State 0 never matches any more, state 1 has matched.
    start : int
        The first state.
    accepting : frozenset of int
        The states that match at the end of the text.
    steps : int
        The number of steps that compiling it took.
    """

    __slots__ = ("accepting", "classes", "expression", "ignores_case", "pattern", "start", "steps", "table")

    def __init__(self, pattern: str, ignores_case: bool = False, max_steps: int = MAX_STEPS) -> None:
        self.pattern = pattern
        self.ignores_case = ignores_case
        self.expression = parse(pattern, ignores_case)
        graph = _Graph(max_steps)
        final = graph.add(self.expression, graph.node())
        self.classes, representatives = _classes(graph)
        self.table, self.start, self.accepting = _determinise(graph, final, representatives)
        self.steps = graph.steps

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Automaton):
            return NotImplemented
        return (self.pattern, self.ignores_case) == (other.pattern, other.ignores_case)

    def __hash__(self) -> int:
        return hash((self.pattern, self.ignores_case))

    def __repr__(self) -> str:
        return f"Automaton({self.pattern!r}, ignores_case={self.ignores_case})"

    def to_bytes(self) -> bytes:
        """Return the automaton as `cfdns_fast.matching` runs it, on the bytes of UTF-8."""
        other = self.classes[OTHER]
        # Of a character outside ASCII, the first byte is the symbol, and the bytes that continue it are skipped.
        classes = self.classes[:OTHER] + bytes([matching.SKIPPED] * 64 + [other] * 64)
        return matching.automaton_of(classes, self.table, self.start, self.accepting)

    def matches(self, text: str) -> bool:
        """Return whether the expression is found in a text; False for a text of more than 1,024 characters."""
        if len(text) > MAX_NAME_LENGTH:
            return False
        symbols = text.encode() if text.isascii() else bytes(min(ord(each), OTHER) for each in text)
        state, table = self.start, self.table
        for symbol in symbols.translate(self.classes):
            if state <= _FOUND:
                break
            state = table[state][symbol]
        return state == _FOUND or state in self.accepting


class _Graph:
    """A non-deterministic automaton whose edges read one character, nothing, or an end of the text."""

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps
        self.free: list[list[int]] = []
        self.at_begin: list[list[int]] = []
        self.at_end: list[list[int]] = []
        #: The symbols of the only edge of a node that reads a character, and the node that it leads to.
        self.read: list[tuple[int, int] | None] = []
        self.steps = 0

    def count(self, steps: int) -> None:
        """Count steps of the construction. Raises RegexFault at the limit."""
        self.steps += steps
        if self.steps > self.max_steps:
            raise RegexFault("regex.limit", "an expression that takes too long to compile")

    def node(self) -> int:
        if len(self.free) >= MAX_NODES:
            raise RegexFault("regex.limit", f"repetitions that need more than {MAX_NODES:,} nodes")
        self.free.append([])
        self.at_begin.append([])
        self.at_end.append([])
        self.read.append(None)
        return len(self.free) - 1

    def add(self, expression: Expression, source: int) -> int:
        """Add an expression after a node, and return the node after it."""
        match expression:
            case Characters(symbols):
                target = self.node()
                from_node = self.node()
                self.free[source].append(from_node)
                self.read[from_node] = (symbols, target)
                return target
            case Begin() | End():
                target = self.node()
                edges = self.at_begin if isinstance(expression, Begin) else self.at_end
                edges[source].append(target)
                return target
            case Sequence(items):
                for item in items:
                    source = self.add(item, source)
                return source
            case Alternatives(items):
                target = self.node()
                for item in items:
                    self.free[self.add(item, source)].append(target)
                return target
            case Repeat(item, low, high):
                return self._repeat(item, low, high, source)

    def _repeat(self, item: Expression, low: int, high: int | None, source: int) -> int:
        for _ in range(low):
            source = self.add(item, source)
        target = self.node()
        if high is None:
            loop = self.node()
            self.free[source].append(loop)
            self.free[self.add(item, loop)].append(loop)
            self.free[loop].append(target)
        else:
            for _ in range(high - low):
                self.free[source].append(target)
                source = self.add(item, source)
            self.free[source].append(target)
        return target

    def closure(self, nodes: Iterable[int], is_begin: bool = False, is_end: bool = False) -> set[int]:
        """Return the nodes that are reached without reading a character."""
        found: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in found:
                continue
            found.add(node)
            waiting += self.free[node]
            if is_begin:
                waiting += self.at_begin[node]
            if is_end:
                waiting += self.at_end[node]
        self.count(len(found))
        return found


def _classes(graph: _Graph) -> tuple[bytes, list[int]]:
    """Return the class of each symbol, and a symbol of each class: an expression treats a class's symbols alike."""
    sets = sorted({edge[0] for edge in graph.read if edge is not None})
    numbers: dict[tuple[bool, ...], int] = {}
    representatives: list[int] = []
    classes = bytearray(256)
    for symbol in range(OTHER + 1):
        key = tuple(bool(each >> symbol & 1) for each in sets)
        if key not in numbers:
            numbers[key] = len(numbers)
            representatives.append(symbol)
        classes[symbol] = numbers[key]
    assert ALL_SYMBOLS.bit_length() == OTHER + 1
    return bytes(classes), representatives


def _determinise(
    graph: _Graph, final: int, representatives: list[int]
) -> tuple[list[tuple[int, ...]], int, frozenset[int]]:
    """Return the table, the first state and the states that match at the end."""
    moves = _Moves(graph, final, representatives)
    first = graph.closure([0], is_begin=True)
    #: A search begins at each character, so that each state holds the nodes of a fresh begin.
    again = moves.kept(graph.closure([0]))
    if final in first:
        return [(), ()], _FOUND, frozenset()
    numbers: dict[frozenset[int], int] = {}
    states: list[frozenset[int]] = []

    def number_of(nodes: frozenset[int]) -> int:
        if final in nodes:
            return _FOUND
        if not nodes:
            return _DEAD
        if nodes not in numbers:
            if len(states) >= MAX_STATES:
                raise RegexFault("regex.limit", f"an expression that needs more than {MAX_STATES:,} states")
            numbers[nodes] = len(states) + 2
            states.append(nodes)
        return numbers[nodes]

    accepts_empty = final in graph.closure([0], is_begin=True, is_end=True)
    states.append(moves.kept(first))
    table: list[tuple[int, ...]] = [(), ()]
    position = 0
    while position < len(states):
        nodes = states[position]
        position += 1
        table.append(tuple(number_of(each | again) for each in moves.of(nodes)))
    # Nothing leads back to the first state, so that only an empty text ends there.
    accepting = {number + 2 for number, nodes in enumerate(states) if number and moves.matches_at_end(nodes)}
    if accepts_empty:
        accepting.add(2)
    return table, 2, frozenset(accepting)


class _Moves:
    """The steps of the construction, counted."""

    def __init__(self, graph: _Graph, final: int, representatives: list[int]) -> None:
        self.graph = graph
        self.final = final
        self.representatives = representatives
        self.targets: dict[int, tuple[list[int], frozenset[int]]] = {}
        self.ends: dict[int, bool] = {}

    def kept(self, nodes: Iterable[int]) -> frozenset[int]:
        """Return the nodes that matter later: those that read a character, or a last edge, and the final one."""
        graph = self.graph
        return frozenset(
            node for node in nodes if graph.read[node] is not None or graph.at_end[node] or node == self.final
        )

    def of(self, nodes: frozenset[int]) -> list[frozenset[int]]:
        """Return the nodes after one more character, by class."""
        found: list[set[int]] = [set() for _ in self.representatives]
        for node in nodes:
            if self.graph.read[node] is None:
                continue
            classes, reached = self._edge(node)
            self.graph.count(len(classes) * (2 + len(reached)))
            for number in classes:
                found[number] |= reached
        self.graph.count(sum(map(len, found)))
        return [frozenset(each) for each in found]

    def _edge(self, node: int) -> tuple[list[int], frozenset[int]]:
        if node not in self.targets:
            edge = self.graph.read[node]
            assert edge is not None
            symbols, target = edge
            classes = [number for number, symbol in enumerate(self.representatives) if symbols >> symbol & 1]
            self.targets[node] = classes, self.kept(self.graph.closure([target]))
        return self.targets[node]

    def matches_at_end(self, nodes: frozenset[int]) -> bool:
        return any(self._ends(node) for node in nodes)

    def _ends(self, node: int) -> bool:
        if node not in self.ends:
            self.ends[node] = self.final in self.graph.closure([node], is_end=True)
        return self.ends[node]
