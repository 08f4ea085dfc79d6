"""What --strict and --fail-on do not allow."""

from __future__ import annotations

__all__ = ["FAILING", "disallowed"]

#: What --fail-on can name.
FAILING = ("rejects", "unknown", "problems")


def disallowed(rejects: int, unknown: int, problems: int, *, fail_on: frozenset[str] | None, strict: bool) -> str:
    """Return a sentence with the counts that --strict or --fail-on does not allow; empty if there are none."""
    named = (fail_on or frozenset()) | ({"rejects", "unknown"} if strict else frozenset())
    counts = {
        "rejects": (rejects, "rejects"),
        "unknown": (unknown, "unknown records"),
        "problems": (problems, "problems"),
    }
    found = [f"{counts[name][0]} {counts[name][1]}" for name in FAILING if name in named and counts[name][0]]
    return f"{', '.join(found)} ({'--fail-on' if fail_on else '--strict'} allows none)" if found else ""
