"""Matchers that run in the same pass as the conversion: plain data in, `Detection` objects out.

A matcher sees the query name of every record, or its addresses. `Normalizer` takes objects with a method `matcher`
(`Detector`) in its option ``detect``, and returns what they found in `Result.detections`:

- `SliverNames` finds names that carry messages of Sliver's DNS channel; `decode_sliver` decodes one.
- A `NameTable`, made by a `NameTableBuilder`, finds names of a set, and names below them. A `SharedNameTable` holds one
  that can be replaced while it is in use.
- A `NetworkTable` finds addresses; `NameTable.with_networks` adds it to a table of names.
- `Predicates` compares names and other fields of events with strings, by conditions such as those of Sigma rules.

A name with more than 1,023 bytes matches nothing. All objects are immutable, except builders and shared tables, and may
be used by any number of threads.
"""

from .automata import SKIPPED, automaton_matches, automaton_of
from .conditions import FIELDS, MAX_PATTERN_BYTES, OPERATORS, And, Condition, Match, NofM, Not, Or
from .detector import Annotation, Detector, Matcher
from .names import ALLOW, BELOW, MAX_METADATA, NAME_OUTCOMES, SELF, NameTable, NameTableBuilder, SharedNameTable
from .networks import ANSWER, SOURCE, NetworkTable
from .ocsf import is_ocsf
from .predicates import Predicates
from .sliver import SLIVER_MESSAGES, SliverName, SliverNames, decode_sliver

__all__ = [
    "ALLOW",
    "ANSWER",
    "BELOW",
    "FIELDS",
    "MAX_METADATA",
    "MAX_PATTERN_BYTES",
    "NAME_OUTCOMES",
    "OPERATORS",
    "SELF",
    "SKIPPED",
    "SLIVER_MESSAGES",
    "SOURCE",
    "And",
    "Annotation",
    "Condition",
    "Detector",
    "Match",
    "Matcher",
    "NameTable",
    "NameTableBuilder",
    "NetworkTable",
    "NofM",
    "Not",
    "Or",
    "Predicates",
    "SharedNameTable",
    "SliverName",
    "SliverNames",
    "automaton_matches",
    "automaton_of",
    "decode_sliver",
    "is_ocsf",
]
