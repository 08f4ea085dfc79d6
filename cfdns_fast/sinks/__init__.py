"""Sinks: where converted batches go. `open_sink` makes one from a URL; `base` has the protocol.

The kinds of sinks are imported when a URL selects them, and their libraries when a sink is opened.
"""

from .base import (
    Pending,
    Piece,
    Sink,
    SinkContext,
    SinkFault,
    SinkRefused,
    SinkRewind,
    SinkSettingError,
    Stopped,
    Wants,
)
from .counters import Counters
from .kinds import SinkInfo, check_sink, open_sink, options_table
from .urls import Option, parse_duration, parse_size

__all__ = [
    "Counters",
    "Option",
    "Pending",
    "Piece",
    "Sink",
    "SinkContext",
    "SinkFault",
    "SinkInfo",
    "SinkRefused",
    "SinkRewind",
    "SinkSettingError",
    "Stopped",
    "Wants",
    "check_sink",
    "open_sink",
    "options_table",
    "parse_duration",
    "parse_size",
]
