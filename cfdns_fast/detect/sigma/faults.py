"""What is wrong with a rule: a stable code, the place and one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["RULE_CODES", "Fault", "FaultFound", "Warned"]

#: Codes are part of the API; their texts may change.
RULE_CODES: Mapping[str, str] = MappingProxyType(
    {
        "library.missing": "PyYAML is not installed",
        "file.unreadable": "the file or folder cannot be read",
        "file.size": "the file or folder is larger than the limit",
        "yaml.encoding": "the file is not UTF-8",
        "yaml.syntax": "the file is not YAML",
        "yaml.construct": "YAML that is not read: an anchor, an alias, a tag or a key twice in a mapping",
        "yaml.limit": "YAML beyond a limit: nesting, number of nodes or number of documents",
        "rule.form": "an entry of the rule is missing, or is of the wrong form",
        "rule.duplicate": "two rules have the same id",
        "rule.logsource": "the log source is not DNS",
        "rule.correlation": "a correlation rule or a filter",
        "field.unsupported": "DNS logs do not have this field",
        "modifier.unsupported": "a modifier that is not supported, or not in this place",
        "placeholder.unsupported": "a placeholder",
        "keywords.unsupported": "a search without a field",
        "value.unsupported": "a value that the field cannot have",
        "condition.syntax": "the condition is not of the supported language",
        "condition.search": "the condition names a search that the rule does not have",
        "condition.aggregation": "an aggregation, or a time frame",
        "regex.unsupported": "a construct of regular expressions that is not supported",
        "regex.literal": "a regular expression without a literal that every match must contain",
        "regex.limit": "a regular expression beyond a limit",
    }
)


class Fault(NamedTuple):
    """A fault of a rule file.

    Attributes
    ----------
    file : str
        The file, as it was given.
    line : int or None
        The line in the file, from 1; None if the file could not be read.
    rule : str or None
        The title of the rule, or its id if there is no title; None if it has neither.
    code : str
        A key of `RULE_CODES`.
    reason : str
        One sentence: what is wrong, and what is allowed.
    """

    file: str
    line: int | None
    rule: str | None
    code: str
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        rule = "" if self.rule is None else f" rule {self.rule!r}:"
        return f"{place}:{rule} {self.code}: {self.reason}"


class Warned(NamedTuple):
    """A rule that loads and may not do what its author meant. The attributes are those of `Fault`."""

    file: str
    line: int | None
    rule: str | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        rule = "" if self.rule is None else f" rule {self.rule!r}:"
        return f"{place}:{rule} {self.reason}"


class FaultFound(Exception):
    """A fault at a line, before the file and the rule are known."""

    def __init__(self, code: str, line: int | None, reason: str) -> None:
        self.code = code
        self.line = line
        self.reason = reason
        super().__init__(reason)
