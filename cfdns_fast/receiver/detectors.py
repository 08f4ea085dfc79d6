"""What a sink process looks for: built-in rules, feeds and Sigma rules, which follow their files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .. import CfdnsError
from ..detect import FeedError, IndicatorsFile, RulesFolder, Sliver
from ..sinks import Counters
from .detect_settings import DetectSettings
from .errors import SettingsError

__all__ = ["FollowedDetectors", "check_libraries", "loaded_detectors"]


class FollowedDetectors:
    """Detectors that are loaded again when their files change. Any thread may call all methods.

    A fault of a file stops nothing: at the start, a feed that cannot be loaded is left out until it can, and later what
    was loaded before stays in use. It is counted, and logged once.

    Parameters
    ----------
    settings : DetectSettings
    counters : Counters
        Gets ``feed_loads``, ``feed_failures`` and the gauge ``indicators``.
    say : callable
        Writes a line to the log: ``say(level, message)``.

    Attributes
    ----------
    current : tuple
        The detectors (`matching.Detector`). It is replaced as a whole when rules change, or when a feed can be loaded
        for the first time. Feeds that change later are in the same detector.
    """

    def __init__(self, settings: DetectSettings, counters: Counters, say: Callable[[str, str], object]) -> None:
        self._settings = settings
        self._counters = counters
        self._say = say
        self._lock = threading.Lock()
        self._indicators: IndicatorsFile | None = None
        self._left_out: list[str] = []
        self._rules: RulesFolder | None = None
        self._sliver = Sliver() if settings.sliver else None
        self._said: dict[str, str] = {}
        self.current: tuple[Any, ...] = ()
        self._replace()

    def load(self) -> None:
        """Load all files; until then, only what needs none is in `current`."""
        with self._lock:
            self._load_indicators()
            self._load_rules()
            self._replace()

    def poll(self) -> None:
        """Load the files again that have changed."""
        with self._lock:
            self._poll_indicators()
            self._poll_rules()

    def refuse(self, error: SettingsError) -> None:
        """Count and log that the events of a sink cannot be used with the current detectors."""
        self._failed("mapping", error)

    def _poll_indicators(self) -> None:
        if self._left_out and self._load_left_out():
            self._replace()
            return
        indicators = self._indicators
        if indicators is None:
            return
        if indicators.poll():
            self._loaded(indicators)
        elif indicators.last_error is not None:
            # Counted at each look, so that an alert on the counter lasts as long as the fault.
            self._failed("feeds", indicators.last_error)

    def _load_left_out(self) -> bool:
        """Load the feeds that were left out and can be loaded now, with those in use; return whether there are any."""
        ready = {feed for feed in self._left_out if _can_be_loaded(self._settings, feed)}
        if not ready:
            self._counters.add("feed_failures")
            return False
        left_out = [feed for feed in self._left_out if feed not in ready]
        feeds = [feed for feed in self._settings.indicators if feed not in left_out]
        try:
            self._indicators = IndicatorsFile(*feeds, **_options(self._settings))
        except (FeedError, MemoryError) as error:
            # All together may have too many indicators.
            self._failed("feeds", error)
            return False
        if left_out:
            self._counters.add("feed_failures")
        self._left_out = left_out
        self._loaded(self._indicators)
        return True

    def _poll_rules(self) -> None:
        if self._rules is None:
            if self._settings.rules:
                self._load_rules()
                self._replace()
            return
        if self._rules.poll():
            self._counters.add("feed_loads")
            self._said.pop("rules", None)
            self._say("info", f"{len(self._rules.rules)} rules are loaded")
            self._replace()
        elif self._rules.error is not None:
            self._failed("rules", self._rules.error)

    def _load_indicators(self) -> None:
        """Load all feeds, without those that cannot be loaded; none at all without the names that are allowed."""
        feeds = list(self._settings.indicators)
        self._left_out = []
        while feeds:
            try:
                self._indicators = IndicatorsFile(*feeds, **_options(self._settings))
            except (FeedError, MemoryError) as error:
                self._failed("feeds", error)
                faulty = getattr(error, "file", None)
                if faulty not in feeds:
                    self._left_out = list(self._settings.indicators)
                    return
                feeds.remove(faulty)
                self._left_out.append(faulty)
            else:
                self._loaded(self._indicators)
                return

    def _load_rules(self) -> None:
        if not self._settings.rules:
            return
        try:
            self._rules = RulesFolder(*self._settings.rules)
        except (CfdnsError, ImportError) as error:
            self._failed("rules", error)
        else:
            self._counters.add("feed_loads")
            self._said.pop("rules", None)
            self._say("info", f"{len(self._rules.rules)} rules are loaded")

    def _replace(self) -> None:
        rules = None if self._rules is None else self._rules.rules
        self.current = tuple(each for each in (self._sliver, self._indicators, rules) if each is not None)

    def _loaded(self, indicators: IndicatorsFile) -> None:
        self._counters.add("feed_loads")
        self._counters.set("indicators", len(indicators.current))
        self._said.pop("feeds", None)
        self._say("info", f"{len(indicators.current)} indicators are loaded")

    def _failed(self, what: str, error: BaseException | None) -> None:
        self._counters.add("feed_failures")
        # The text of an error of memory is empty.
        text = str(error) or type(error).__name__
        if self._said.get(what) != text:
            self._said[what] = text
            self._say("error", f"{text}; what is loaded stays in use")


def loaded_detectors(settings: DetectSettings) -> tuple[tuple[Any, ...], list[str]]:
    """Return all detectors, and what they are; raises SettingsError if one of them cannot be loaded."""
    check_libraries(settings)
    made: list[Any] = [Sliver()] if settings.sliver else []
    notes = ["sliver"] if settings.sliver else []
    try:
        if settings.indicators:
            made.append(indicators := IndicatorsFile(*settings.indicators, **_options(settings)).current)
            notes.append(f"{len(indicators)} indicators")
        if settings.rules:
            made.append(rules := RulesFolder(*settings.rules).rules)
            notes.append(f"{len(rules)} rules")
    except (CfdnsError, ImportError) as error:
        raise SettingsError(f"detect: {error}") from error
    return tuple(made), notes


def check_libraries(settings: DetectSettings) -> None:
    """Raise SettingsError if a library is missing that no change of a file can replace."""
    if settings.rules and find_spec("yaml") is None:
        raise SettingsError("detect: the library yaml is missing: pip install 'cfdns-fast[detect]'")


def _options(settings: DetectSettings) -> dict[str, Any]:
    return {
        "allow": settings.allow,
        "min_confidence": settings.min_confidence,
        "addresses": settings.addresses,
    }


def _can_be_loaded(settings: DetectSettings, feed: str) -> bool:
    try:
        IndicatorsFile(feed, **_options(settings))
    except (FeedError, MemoryError):
        return False
    return True
