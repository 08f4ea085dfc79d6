"""Detection: what is found in DNS logs, and what is made of it.

Each name is imported at first use.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .alerts import MAX_KEYS, MAX_WINDOWS, Alerts
    from .feeds.errors import FEED_CODES, FeedError
    from .feeds.options import Feed, Limits
    from .indicator import Indicator
    from .indicators import Indicators
    from .indicators_file import IndicatorsFile
    from .layer import layer_of
    from .report import SKIP_REASONS, FeedReport, Report
    from .rules import Rule, RuleError, Rules, RulesFolder
    from .sessions import MAX_SESSIONS
    from .severity import CRITICAL, HIGH, INFORMATIONAL, LOW, MEDIUM, level_word
    from .sliver import Sliver

__all__ = [
    "CRITICAL",
    "FEED_CODES",
    "HIGH",
    "INFORMATIONAL",
    "LOW",
    "MAX_KEYS",
    "MAX_SESSIONS",
    "MAX_WINDOWS",
    "MEDIUM",
    "SKIP_REASONS",
    "Alerts",
    "Feed",
    "FeedError",
    "FeedReport",
    "Indicator",
    "Indicators",
    "IndicatorsFile",
    "Limits",
    "Report",
    "Rule",
    "RuleError",
    "Rules",
    "RulesFolder",
    "Sliver",
    "layer_of",
    "level_word",
]

_MODULES = {
    ".alerts": ("MAX_KEYS", "MAX_WINDOWS", "Alerts"),
    ".feeds.errors": ("FEED_CODES", "FeedError"),
    ".feeds.options": ("Feed", "Limits"),
    ".indicator": ("Indicator",),
    ".indicators": ("Indicators",),
    ".indicators_file": ("IndicatorsFile",),
    ".layer": ("layer_of",),
    ".report": ("SKIP_REASONS", "FeedReport", "Report"),
    ".rules": ("Rule", "RuleError", "Rules", "RulesFolder"),
    ".sessions": ("MAX_SESSIONS",),
    ".severity": ("CRITICAL", "HIGH", "INFORMATIONAL", "LOW", "MEDIUM", "level_word"),
    ".sliver": ("Sliver",),
}

if not TYPE_CHECKING:
    from ..lazy import lazy_names

    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
