"""YAML as nodes with their lines, within limits.

PyYAML's parser gives events, and the nodes are built here: a loader would drop the lines, expand aliases, accept a key
twice, and turn ``no`` into False and ``1.10`` into 1.1, of which a query name has lost a character. PyYAML is used
because its parser is compiled (libyaml) where available; ruamel.yaml keeps lines too, but only its pure Python does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .faults import FaultFound

__all__ = [
    "MAX_DEPTH",
    "MAX_DOCUMENTS",
    "MAX_FILE_BYTES",
    "MAX_NODES",
    "ListNode",
    "MapNode",
    "Node",
    "Text",
    "documents",
]

#: Limits of a file. The largest rule file of SigmaHQ (2026-08) has 110 KiB and 1,200 nodes.
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_NODES = 100_000
MAX_DOCUMENTS = 1_000

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_TEXT = "tag:yaml.org,2002:str"
_KINDS = {_NULL: "null", _BOOL: "bool", _INT: "int", _TEXT: "text"}
#: The values of a bool in YAML 1.1, which PyYAML resolves.
_TRUE = {"true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as it was written.

    Attributes
    ----------
    line : int
        The line in the file, from 1.
    value : str
        The text; quotes and escapes are resolved, and no type is applied.
    kind : str
        "text", "int", "bool", "null", or "other" for dates, fractions and the like.
    """

    line: int
    value: str
    kind: str

    @property
    def is_true(self) -> bool:
        """Whether a scalar of kind "bool" is true."""
        return self.value.lower() in _TRUE


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping with text keys, each once."""

    line: int
    entries: dict[str, Node] = field(default_factory=dict)
    #: The line of each key.
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, key: str) -> int:
        """Return the line of a key, or of the mapping if it does not have the key."""
        return self.lines.get(key, self.line)


Node = Text | ListNode | MapNode


def documents(data: bytes) -> Iterator[Node]:
    """Yield the documents of a file. Raises FaultFound where the file is not YAML or is beyond a limit.

    Documents before the fault are yielded.
    """
    try:
        import yaml
    except ImportError:
        reason = "PyYAML, which reads rules, is not installed: install cfdns-fast[detect]"
        raise FaultFound("library.missing", None, reason) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad_line = data.count(b"\n", 0, error.start) + 1
        raise FaultFound("yaml.encoding", bad_line, "the file is not UTF-8") from None
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = yaml.parse(text, Loader=loader)
    count = 0
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > MAX_DOCUMENTS:
                    mark = event.start_mark
                    raise FaultFound(
                        "yaml.limit",
                        mark.line + 1 if mark else None,
                        f"more than {MAX_DOCUMENTS:,} documents in a file",
                    )
                yield _Builder(yaml).build(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "not YAML"
        # libyaml has a limit of its own, which it meets first where brackets open one after another.
        code = "yaml.limit" if "nesting" in reason else "yaml.syntax"
        raise FaultFound(code, mark.line + 1 if mark else None, f"not YAML: {reason}") from None
    except yaml.YAMLError as error:
        # A ReaderError, for a character that YAML does not allow; its position counts characters.
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        reason = getattr(error, "reason", None) or "not YAML"
        raise FaultFound("yaml.syntax", line, f"not YAML: {reason}") from None


class _Builder:
    """Builds the nodes of one document without recursion."""

    def __init__(self, yaml: Any) -> None:
        self.yaml = yaml
        self.resolver = yaml.resolver.Resolver()
        self.open: list[ListNode | MapNode] = []
        #: The key that waits for its value, for each open mapping.
        self.keys: list[Text | None] = []
        self.root: Node | None = None
        self.count = 0

    def build(self, events: Iterator[Any]) -> Node:
        """Read events up to the end of the document."""
        yaml = self.yaml
        for event in events:
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self.open.pop()
                self.keys.pop()
                continue
            line = event.start_mark.line + 1
            self._check(event, line)
            if isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event, line))
            else:
                node = ListNode(line) if isinstance(event, yaml.SequenceStartEvent) else MapNode(line)
                self._add(node)
                self.open.append(node)
                self.keys.append(None)
                if len(self.open) > MAX_DEPTH:
                    raise FaultFound("yaml.limit", line, f"more than {MAX_DEPTH} levels of nesting")
        assert self.root is not None
        return self.root

    def _check(self, event: Any, line: int) -> None:
        if isinstance(event, self.yaml.AliasEvent) or event.anchor is not None:
            raise FaultFound("yaml.construct", line, "anchors (&) and aliases (*) are not read: write the value again")
        if event.tag is not None:
            raise FaultFound("yaml.construct", line, "tags (!) are not read: quote a text that begins with !")
        self.count += 1
        if self.count > MAX_NODES:
            raise FaultFound("yaml.limit", line, f"more than {MAX_NODES:,} values in a document")

    def _scalar(self, event: Any, line: int) -> Text:
        tag = self.resolver.resolve(self.yaml.ScalarNode, event.value, event.implicit)
        return Text(line, event.value, _KINDS.get(tag, "other"))

    def _add(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
            return
        key = self.keys[-1]
        if key is None:
            if not isinstance(node, Text):
                raise FaultFound("rule.form", node.line, "a key must be a text")
            if node.value in parent.entries:
                raise FaultFound("yaml.construct", node.line, f"the key {_short(node.value)} is twice in one mapping")
            self.keys[-1] = node
        else:
            parent.entries[key.value] = node
            parent.lines[key.value] = key.line
            self.keys[-1] = None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
