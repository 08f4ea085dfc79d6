"""The exceptions of jobs, with stable codes."""

from __future__ import annotations

from ..errors import CfdnsError

__all__ = ["JobError", "JobSettingError"]


class JobError(CfdnsError):
    """A job could not be read, created or changed.

    Attributes
    ----------
    code : str
        A stable word for programs; docs/jobs.md lists the codes.

    The message is one sentence without secrets. Texts of Cloudflare are quoted in it.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class JobSettingError(JobError, ValueError):
    """A setting is invalid. Raised before any call."""
