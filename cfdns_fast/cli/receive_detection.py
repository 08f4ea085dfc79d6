"""The options of ``cfdns-fast receive`` for detection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from ..receiver.detect_settings import DetectSettings
from ..receiver.settings import SettingsError, parse_duration
from .detection_options import detection_options
from .receive_values import PATH_TYPE, Parsed

__all__ = ["add_detection_options", "alerts_sink", "detect_settings"]

_NAMED = re.compile(r"([A-Za-z0-9_-]+)=(.*)", re.DOTALL)

_OPTIONS = (
    *detection_options(PATH_TYPE),
    click.option(
        "--poll",
        metavar="TIME",
        type=Parsed("duration", parse_duration),
        default="1m",
        show_default=True,
        help="How often changed feeds and rules are loaded again; or off.",
    ),
    click.option(
        "--alerts", metavar="[NAME=]URL", help="A sink for alerts; its name is alerts if it has no other one."
    ),
    click.option("--annotate", is_flag=True, help="Add what was found to the events of sinks of NDJSON."),
)


def add_detection_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options to a command, in their order."""
    for each in reversed(_OPTIONS):
        function = each(function)
    return function


def detect_settings(given: Mapping[str, Any]) -> DetectSettings:
    """Return the settings of the options; raises SettingsError."""
    return DetectSettings(
        sliver="sliver" in given["detect"],
        indicators=_absolute(given["indicators"]),
        allow=_absolute(given["allow"]),
        rules=_absolute(given["rules"]),
        min_confidence=given["min_confidence"],
        addresses=given["addresses"],
        poll_s=given["poll"],
        annotate=given["annotate"],
    )


def alerts_sink(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sink of ``--alerts`` as a table, in a list; an empty list without the option."""
    text = given["alerts"]
    if text is None:
        return []
    if not text:
        raise SettingsError("alerts: must not be empty")
    found = _NAMED.fullmatch(text)
    return [{"name": found[1] if found else "alerts", "url": found[2] if found else text, "alerts": True}]


def _absolute(paths: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(path.absolute()) for path in paths)
