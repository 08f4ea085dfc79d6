"""What the receiver looks for in events, checked."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import SettingsError

__all__ = ["DetectSettings"]

_DAY_S = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    """What to look for. Sinks with `SinkSettings.alerts` and annotated events use it.

    Attributes
    ----------
    sliver : bool
        Messages of Sliver's DNS channel.
    indicators, allow, rules : tuple of str
        Files of feeds, files of names that feeds never match, and files and folders of Sigma rules.
    min_confidence : int
        Indicators with a lower confidence are left out.
    addresses : bool
        Whether addresses of feeds are looked for.
    poll_s : float
        How often changed files are loaded again; 0 turns it off.
    annotate : bool
        Whether sinks of NDJSON events that do not say otherwise get annotated events.
    """

    sliver: bool = False
    indicators: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    min_confidence: int = 0
    addresses: bool = False
    poll_s: float = 60
    annotate: bool = False

    def __post_init__(self) -> None:
        confidence = self.min_confidence
        if isinstance(confidence, bool) or not isinstance(confidence, int) or not 0 <= confidence <= 100:
            raise SettingsError(f"min_confidence: use a whole number from 0 to 100, not {confidence!r}")
        if not 0 <= self.poll_s <= _DAY_S or 0 < self.poll_s < 1:
            raise SettingsError(f"poll: use a time from 1s to 1d, or off, not {self.poll_s!r}")
        if (self.allow or confidence or self.addresses) and not self.indicators:
            raise SettingsError("allow, min_confidence, addresses: they go with indicators")

    @property
    def is_used(self) -> bool:
        """Whether there is something to look for."""
        return bool(self.sliver or self.indicators or self.rules)
