"""Compare two mappings, target by target."""

from __future__ import annotations

from typing import NamedTuple

from ..mapping import Field, Mapping

__all__ = ["Change", "Changes", "changes_between"]


class Change(NamedTuple):
    """A target whose entries differ; a side without the target has no entries."""

    to: str
    before: tuple[Field, ...]
    after: tuple[Field, ...]


class Changes(NamedTuple):
    """How two mappings differ.

    Attributes
    ----------
    targets : tuple of Change
        The targets that differ, in the order of the first mapping, and then of the second.
    is_reordered : bool
        Whether the targets that both have are in another order.
    """

    targets: tuple[Change, ...]
    is_reordered: bool

    def __bool__(self) -> bool:
        return bool(self.targets) or self.is_reordered


def changes_between(before: Mapping, after: Mapping) -> Changes:
    """Return how two mappings differ. Options that are written and have their default are no difference."""
    old, new = before.targets(), after.targets()
    changes = (Change(to, old.get(to, ()), new.get(to, ())) for to in {**old, **new})
    # 1, 1.0 and true are equal in Python, and are written differently.
    changed = [each for each in changes if repr(each.before) != repr(each.after)]
    return Changes(tuple(changed), [to for to in old if to in new] != [to for to in new if to in old])
