"""Tools for mapping files: list, check, explain, compare and test them. ``cfdns-fast mapping`` is their command.

- `bundled`: the mappings that come with the package, and the names of mappings.
- `checking`: all faults and warnings of a file.
- `description`: the entries of a mapping as text.
- `differences`, `event_differences`: two mappings, and the events that they make of an input.
- `cases`, `mismatches`, `case_writer`: cases that say what a mapping makes of an input.

`cfdns_fast.reference.explanation` explains the event of one record. Sub-packages may use all names here; each is
imported at first use.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ..reference.explanation import REASONS, Explanation, NoRecordError, Reading, explain
    from .bundled import BundledMapping, bundled_mappings, load_named, name_parts
    from .case import Case, Defaults, ExpectedReject
    from .case_writer import written_cases
    from .cases import CasesError, read_cases
    from .checking import Findings, check_content, check_file
    from .differences import Change, Changes, changes_between
    from .event_differences import EventDifferences, TargetDifference, compare_events
    from .mismatches import mismatches_of

__all__ = [
    "REASONS",
    "BundledMapping",
    "Case",
    "CasesError",
    "Change",
    "Changes",
    "Defaults",
    "EventDifferences",
    "ExpectedReject",
    "Explanation",
    "Findings",
    "NoRecordError",
    "Reading",
    "TargetDifference",
    "bundled_mappings",
    "changes_between",
    "check_content",
    "check_file",
    "compare_events",
    "explain",
    "load_named",
    "mismatches_of",
    "name_parts",
    "read_cases",
    "written_cases",
]

_MODULES = {
    "..reference.explanation": ("REASONS", "Explanation", "NoRecordError", "Reading", "explain"),
    ".bundled": ("BundledMapping", "bundled_mappings", "load_named", "name_parts"),
    ".case_writer": ("written_cases",),
    ".case": ("Case", "Defaults", "ExpectedReject"),
    ".cases": ("CasesError", "read_cases"),
    ".checking": ("Findings", "check_content", "check_file"),
    ".differences": ("Change", "Changes", "changes_between"),
    ".event_differences": ("EventDifferences", "TargetDifference", "compare_events"),
    ".mismatches": ("mismatches_of",),
}

if not TYPE_CHECKING:
    from ..lazy import lazy_names

    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
