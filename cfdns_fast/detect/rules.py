"""Sigma rules from disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import CfdnsError, Detection
from ..io import is_special
from ..matching import Annotation, Predicates
from .sigma.annotation import annotation_of
from .sigma.faults import RULE_CODES, Fault, Warned
from .sigma.reader import FileContent, read_file
from .sigma.rule import LEVELS, Rule
from .sigma.to_matching import matching_condition

__all__ = ["LEVELS", "MAX_FILES", "RULE_CODES", "Fault", "Rule", "RuleError", "Rules", "RulesFolder", "read_rules"]

#: Of the paths of one call.
MAX_FILES = 10_000
_SUFFIXES = (".yml", ".yaml")
_SHIPPED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "rules")


class RuleError(CfdnsError, ValueError):
    """Rules cannot be loaded.

    Attributes
    ----------
    faults : tuple of Fault
        All faults of all files, at least one.
    file : str
        The file of the first fault.
    line : int or None
        Its line, from 1; None if the file could not be read.
    rule : str or None
        The title of its rule, if it has one.
    code : str
        A key of `RULE_CODES`.
    reason : str
        What is wrong, and what is allowed.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.file, self.line, self.rule, self.code, self.reason = self.faults[0]
        more = len(self.faults) - 1
        super().__init__(f"{self.faults[0]}" + (f" (and {more} more)" if more else ""))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.faults,)


class Rules:
    """Sigma rules that are loaded and compiled. They are immutable, and any thread may use them.

    Give them to the option ``detect`` of a `Normalizer`; the number of a rule is `Detection.rule`.

    Attributes
    ----------
    warnings : tuple of Warned
        Places where a rule may not do what its author meant. Their ``str()`` is one line.
    """

    def __init__(self, rules: Sequence[Rule], warnings: Sequence[Warned] = ()) -> None:
        self._rules = tuple(rules)
        self._matcher = Predicates(map(matching_condition, self._rules))
        self._annotations = tuple(map(annotation_of, self._rules))
        self.warnings = tuple(warnings)

    @classmethod
    def load(cls, *paths: str | os.PathLike[str]) -> Rules:
        """Load files and folders of rules; a folder stands for its files named ``*.yml`` and ``*.yaml``, at any depth.

        Raises RuleError, with all faults of all files, if one of the rules cannot be loaded or two have the same id.
        """
        content = read_rules(paths)
        if content.faults:
            raise RuleError(content.faults)
        return cls(content.rules, content.warnings)

    @classmethod
    def shipped(cls) -> Rules:
        """Load the rules of this package."""
        return cls.load(_SHIPPED)

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __getitem__(self, number: int) -> Rule:
        """Return a rule by its number, which detections have."""
        return self._rules[number]

    def __repr__(self) -> str:
        return f"<Rules: {len(self)}>"

    def matcher(self) -> Predicates:
        """Return the matcher, for `Normalizer`. Its conditions are those of the rules, in order."""
        return self._matcher

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        """Return what the rule of a detection adds to its event."""
        return self._annotations[detection.rule]


class RulesFolder:
    """Rules that are loaded again when their files change.

    A `Normalizer` has the rules that it was made with: make another one with `rules` when `poll` returns True.

    Parameters
    ----------
    *paths : path-like
        As of `Rules.load`, which is called at once; a file must be a regular one, because it is read again. Raises
        RuleError if that fails.

    Attributes
    ----------
    rules : Rules
        The rules that were loaded last. It is replaced as a whole, so that any thread may read it at any time.
    error : RuleError or None
        Why the files, as they are now, are not loaded; the rules from before stay in use.
    """

    def __init__(self, *paths: str | os.PathLike[str]) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._seen = _state_of(paths)
        self.rules = self._load()
        self.error: RuleError | None = None

    def poll(self) -> bool:
        """Load the files again if one has changed, and return whether `rules` was replaced.

        A failed load is in `error`, and is tried again after the next change, or at the next call if a file could not
        be read.
        """
        with self._lock:
            state = _state_of(self._paths)
            is_read = self.error is None or all(fault.code != "file.unreadable" for fault in self.error.faults)
            if is_read and state == self._seen:
                return False
            self._seen = state
            try:
                self.rules = self._load()
            except RuleError as error:
                self.error = error
                return False
            self.error = None
            return True

    def _load(self) -> Rules:
        # Within folders, files of other kinds are no rules.
        for path in [os.fspath(each) for each in self._paths]:
            if is_special(path):
                raise RuleError([Fault(path, None, None, "file.unreadable", "it is not a regular file")])
        return Rules.load(*self._paths)


def read_rules(paths: Sequence[str | os.PathLike[str]]) -> FileContent:
    """Read files and folders of rules. Faults are returned, not raised."""
    content = FileContent([], [], [])
    files, faults = _files_of(paths)
    content.faults.extend(faults)
    for file in files:
        rules, file_faults, warnings = read_file(file)
        content.rules.extend(rules)
        content.faults.extend(file_faults)
        content.warnings.extend(warnings)
    first: dict[str, Rule] = {}
    for rule in content.rules:
        other = first.setdefault(rule.id, rule)
        if other is not rule:
            reason = f"the id {rule.id[:80]!r} is also that of a rule in {other.file}:{other.line}"
            content.faults.append(Fault(rule.file, rule.line, rule.title, "rule.duplicate", reason))
    return content


def _files_of(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[str], list[Fault]]:
    """Return the files of paths, those of a folder in the order of their names, each once."""
    files: dict[str, None] = {}
    faults = []
    for path in [os.fspath(each) for each in paths]:
        if not os.path.isdir(path):
            files[path] = None
            continue
        is_empty = True
        failed: list[OSError] = []
        for folder, folders, names in os.walk(path, onerror=failed.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                file = os.path.join(folder, name)
                # A FIFO is not opened, because that waits for a writer.
                if name.endswith(_SUFFIXES) and not name.startswith(".") and os.path.isfile(file):
                    files[file] = None
                    is_empty = False
            if len(files) > MAX_FILES:
                faults.append(Fault(path, None, None, "file.size", f"more than {MAX_FILES:,} files"))
                return [], faults
        for error in failed:
            faults.append(Fault(str(error.filename), None, None, "file.unreadable", error.strerror or "not readable"))
        if is_empty and not failed:
            faults.append(Fault(path, None, None, "file.unreadable", "there is no *.yml file in the folder"))
    return list(files), faults


def _state_of(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[object, ...]]:
    """Return what changes if a file is written, replaced, added or removed."""
    found: list[tuple[object, ...]] = []
    for file in _files_of(paths)[0]:
        try:
            status = os.stat(file)
        except OSError:
            found.append((file,))
        else:
            found.append((file, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev))
    return found
