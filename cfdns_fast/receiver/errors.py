"""The error of all settings of the receiver."""

from __future__ import annotations

from ..errors import CfdnsError

__all__ = ["SettingsError"]


class SettingsError(CfdnsError, ValueError):
    """A setting cannot be used. The message names it and what is allowed, and holds no secret."""
