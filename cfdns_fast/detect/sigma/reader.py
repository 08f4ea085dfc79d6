"""A document of a rule file as a rule, with all of its faults."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from . import grammar
from .conditions import FALSE, TRUE, Condition, disjunction, matches_of
from .faults import Fault, FaultFound, Warned
from .items import Collector, condition_of
from .nodes import MAX_FILE_BYTES, ListNode, MapNode, Node, Text, documents
from .rule import LEVELS, STATUSES, Rule, screen_of
from .tactics import TACTICS

__all__ = ["FileContent", "read_data", "read_file"]

MAX_TITLE_LENGTH = 256
#: Steps of compiling the regular expressions of a file, about two seconds. The bundled rules take 50,000.
MAX_FILE_STEPS = 100_000_000

_LOG_CATEGORIES = {"dns", "dns_query"}
_LOG_SERVICES = {
    *("dns", "dns-client", "dns-server", "dns-server-analytic", "dns_logs", "gateway_dns", "dns_firewall_logs"),
}
_ATTACK_OTHERS = re.compile(r"attack\.(?:t\d{4}(?:\.\d{3})?|(?:g|s|m|c|a)\d{4}|ds\d{4})")


class FileContent(NamedTuple):
    """What a file holds: its rules that have no faults, all faults, and warnings about the rules."""

    rules: list[Rule]
    faults: list[Fault]
    warnings: list[Warned]


def read_file(path: str) -> FileContent:
    """Read the rules of a file. Faults are returned, not raised."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return FileContent([], [Fault(path, None, None, "file.unreadable", error.strerror or "not readable")], [])
    if len(data) > MAX_FILE_BYTES:
        reason = f"larger than {MAX_FILE_BYTES:,} bytes"
        return FileContent([], [Fault(path, None, None, "file.size", reason)], [])
    return read_data(data, path)


def read_data(data: bytes, file: str) -> FileContent:
    """Read the rules of the content of a file; `file` is its name."""
    content = FileContent([], [], [])
    try:
        count = 0
        steps_left = MAX_FILE_STEPS
        for node in documents(data):
            if not (isinstance(node, Text) and node.kind == "null"):  # A comment before the first ---.
                collector = Collector(steps_left)
                _read_document(node, file, content, collector)
                steps_left = collector.steps_left
                count += 1
        if not count:
            content.faults.append(Fault(file, 1, None, "rule.form", "there is no rule in the file"))
    except FaultFound as fault:
        content.faults.append(Fault(file, fault.line, None, fault.code, fault.reason))
    return content


def _read_document(node: Node, file: str, content: FileContent, collector: Collector) -> None:
    """Add the rule of a document, or its faults."""
    rule = None
    name = None
    if isinstance(node, MapNode):
        document = _Document(node, file, collector)
        name = document.name
        rule = document.rule()
    else:
        collector.fault("rule.form", node.line, "a rule must be a mapping")
    content.faults.extend(Fault(file, each.line, name, each.code, each.reason) for each in _in_order(collector.faults))
    if rule is not None and not collector.faults:
        content.rules.append(rule)
        content.warnings.extend(Warned(file, line, name, reason) for line, reason in collector.warnings)


def _in_order(faults: list[FaultFound]) -> list[FaultFound]:
    return sorted(faults, key=lambda each: each.line or 0)


class _Document:
    """A rule of which each entry is read and checked."""

    def __init__(self, node: MapNode, file: str, collector: Collector) -> None:
        self.node = node
        self.file = file
        self.collector = collector
        named = [node.entries.get(key) for key in ("title", "id")]
        self.name = next((each.value[:MAX_TITLE_LENGTH] for each in named if isinstance(each, Text)), None)

    def rule(self) -> Rule | None:
        """Return the rule, or None after its faults are noted."""
        for key, what in (
            ("correlation", "a correlation rule"),
            ("filter", "a filter"),
            ("action", "a rule collection"),
        ):
            if key in self.node.entries:
                reason = f"{what} is not supported: rules must be complete and look at one event"
                self.collector.fault("rule.correlation", self.node.line_of(key), reason)
                return None
        title = self.text("title")
        if title is None or not title.strip():
            self.fault("rule.form", "title", "a rule must have a title")
        elif len(title) > MAX_TITLE_LENGTH:
            self.fault("rule.form", "title", f"the title has more than {MAX_TITLE_LENGTH} characters")
        level = self.choice("level", LEVELS)
        if "level" not in self.node.entries:
            self.collector.warn(self.node.line, "the rule has no level, and is taken as medium")
        status = self.choice("status", STATUSES)
        if status in ("deprecated", "unsupported"):
            self.collector.warn(self.node.line_of("status"), f"the status of the rule is {status}")
        self.check_log_source()
        condition = self.condition()
        tags = self.texts("tags")
        self.check_tags(tags)
        stem = os.path.splitext(os.path.basename(self.file))[0]
        identifier = self.text("id") or self.text("name") or stem
        details = {key: self.text(key) for key in ("description", "author", "date", "modified")}
        lists = [self.texts(key) for key in ("references", "falsepositives")]
        if condition is None or self.collector.faults or title is None:
            return None
        return Rule(
            id=identifier,
            title=title,
            level=level or "medium",
            condition=condition,
            screen=screen_of(condition),
            file=self.file,
            line=self.node.line,
            status=status,
            description=(details["description"] or "").strip(),
            tags=tags,
            references=lists[0],
            false_positives=lists[1],
            author=details["author"],
            date=details["date"],
            modified=details["modified"],
        )

    def fault(self, code: str, key: str, reason: str) -> None:
        self.collector.fault(code, self.node.line_of(key), reason)

    def text(self, key: str) -> str | None:
        """Return a text, None if the entry is absent or null, or is no text."""
        node = self.node.entries.get(key)
        if node is None:
            return None
        if not isinstance(node, Text):
            self.fault("rule.form", key, f"{key} must be a text")
            return None
        return None if node.kind == "null" else node.value

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is not None and value not in choices:
            self.fault("rule.form", key, f"{key} must be one of {', '.join(choices)}")
            return None
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text is a list of one."""
        node = self.node.entries.get(key)
        if node is None or (isinstance(node, Text) and node.kind == "null"):
            return ()
        items = node.items if isinstance(node, ListNode) else [node]
        if not all(isinstance(each, Text) for each in items):
            self.fault("rule.form", key, f"{key} must be a list of texts")
            return ()
        return tuple(each.value for each in items if isinstance(each, Text) and each.kind != "null")

    def check_tags(self, tags: tuple[str, ...]) -> None:
        for tag in tags:
            lower = tag.lower()
            is_attack = lower.startswith("attack.")
            if is_attack and not _ATTACK_OTHERS.fullmatch(lower) and lower[7:].replace("_", "-") not in TACTICS:
                line = self.node.line_of("tags")
                self.collector.warn(line, f"the tag {tag[:60]!r} is neither a tactic nor an id of ATT&CK")

    def check_log_source(self) -> None:
        node = self.node.entries.get("logsource")
        if not isinstance(node, MapNode) or not node.entries:
            self.fault("rule.form", "logsource", "a rule must have a logsource, for example category: dns")
            return
        values = {key: value.value for key, value in node.entries.items() if isinstance(value, Text)}
        category, service = values.get("category"), values.get("service")
        is_dns = category in _LOG_CATEGORIES if category is not None else service in _LOG_SERVICES
        if not is_dns:
            shown = ", ".join(
                f"{key} {values[key][:40]}" for key in ("category", "product", "service") if key in values
            )
            reason = f"the rule is for other logs ({shown or 'unknown'}): the category must be dns or dns_query"
            self.fault("rule.logsource", "logsource", reason)

    def condition(self) -> Condition | None:
        node = self.node.entries.get("detection")
        if not isinstance(node, MapNode) or not node.entries:
            self.fault("rule.form", "detection", "a rule must have a detection with searches and a condition")
            return None
        if "timeframe" in node.entries:
            line = node.line_of("timeframe")
            self.collector.fault("condition.aggregation", line, "a time frame needs many events: it is not supported")
        names = [key for key in node.entries if key not in ("condition", "timeframe")]
        searches = {key: condition_of(key, node.entries[key], self.collector) for key in names}
        texts = self.condition_texts(node)
        if not names:
            self.collector.fault("rule.form", node.line, "the detection has no searches")
        # The condition is checked even if a search has a fault.
        known = {key: TRUE if each is None else each for key, each in searches.items()}
        parts: list[Condition] = []
        used: set[str] = set()
        for text in texts:
            try:
                part, names_used = grammar.parse(text.value, known, text.line)
            except FaultFound as fault:
                self.collector.faults.append(fault)
            else:
                parts.append(part)
                used |= names_used
        if self.collector.faults or not texts:
            return None
        for name in names:
            if name not in used:
                self.collector.warn(node.lines[name], f"the condition does not use the search {name!r}")
        return self.checked(disjunction(parts), texts[0].line)

    def condition_texts(self, node: MapNode) -> list[Text]:
        found = node.entries.get("condition")
        items = found.items if isinstance(found, ListNode) else [found]
        texts = [each for each in items if isinstance(each, Text) and each.kind == "text"]
        if not texts or len(texts) != len(items):
            line = node.line_of("condition")
            self.collector.fault("rule.form", line, "the condition must be a text, or a list of texts")
            return []
        return texts

    def checked(self, condition: Condition, line: int) -> Condition | None:
        """Return a condition that can be tested without running regular expressions on every name."""
        if any(match.operator == "re" for match in matches_of(condition)) and screen_of(condition) == TRUE:
            reason = "a regular expression must not be the only thing that is negated: name what the rule looks for too"
            self.collector.fault("regex.literal", line, reason)
            return None
        if condition in (TRUE, FALSE):
            self.collector.fault("condition.syntax", line, "the condition is always true, or never")
            return None
        return condition
