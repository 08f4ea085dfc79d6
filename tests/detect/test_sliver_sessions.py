"""Sessions of Sliver: which messages together are critical, in which order and how far apart."""

from __future__ import annotations

import random

import pytest
from support.alerts import alerts_of, nop, record, summary

from cfdns_fast.detect import Sliver
from cfdns_fast.detect.sessions import Sessions
from cfdns_fast.matching import decode_sliver

S = 10**9
PARENT = "c2.evil.example"

#: Two messages of a session, one of another session, and one of the first with another counter.
FIRST, SECOND = nop(7_000_000, 1, PARENT), nop(7_000_000, 2, PARENT)
OTHER = nop(7_000_001, 4, PARENT)
COUNTED = nop(5 << 24 | 7_000_000, 5, PARENT)
TOTP = f"baakb968ww3a.{PARENT}"
TOTP0 = f"baa8.{PARENT}"
DOMAINKEY = f"_abcdef.IMPLANT._domainkey.{PARENT}"


def levels(*names: tuple[str, float]) -> list[str]:
    """Return the levels of the alerts of names at seconds."""
    found = alerts_of([Sliver()], (record(name, second) for name, second in names))
    return [each["cfdns"]["alert"]["level"] for each in found if each["cfdns"]["alert"]["state"] == "open"]


def test_names_of_this_module_are_messages() -> None:
    found = [decode_sliver(name) for name in (FIRST, SECOND, OTHER, COUNTED, TOTP, TOTP0, DOMAINKEY)]
    messages = [each and each.message for each in found]
    assert messages == ["NOP", "NOP", "NOP", "NOP", "TOTP", "TOTP0", "L_DOMAINKEY"]


def test_second_name_of_a_session_is_critical() -> None:
    assert levels((FIRST, 0), (SECOND, 1)) == ["medium", "critical"]
    assert levels((FIRST, 0), (COUNTED, 1)) == ["medium", "critical"]


def test_repeated_name_is_not_critical() -> None:
    """Resolvers ask again, and change the case."""
    found = alerts_of([Sliver()], (record(name) for name in (FIRST, FIRST.upper(), FIRST + ".", FIRST)))
    assert summary(found) == [("medium", "open", 1), ("medium", "closed", 4)]


def test_other_session_or_parent_is_not_critical() -> None:
    assert levels((FIRST, 0), (OTHER, 1)) == ["medium", "medium"]
    assert levels((FIRST, 0), (nop(7_000_000, 2, "other.example"), 1)) == ["medium", "medium"]


def test_case_of_the_parent_does_not_matter() -> None:
    assert levels((FIRST, 0), (SECOND.upper(), 1)) == ["medium", "critical"]


@pytest.mark.parametrize(("second", "level"), [(600, "critical"), (600.001, "medium"), (1200, "medium")])
def test_messages_belong_together_within_the_window(second: float, level: str) -> None:
    assert levels((FIRST, 0), (SECOND, second)) == ["medium", level]


def test_late_message_belongs_to_its_session() -> None:
    assert levels((FIRST, 590), (SECOND, 0)) == ["medium", "critical"]
    assert levels((FIRST, 1199), (SECOND, 590)) == ["medium", "medium"]


def test_earlier_name_is_remembered_with_the_newest() -> None:
    """A name that comes back is compared with the other one, however often it was seen."""
    assert levels((FIRST, 0), (SECOND, 700), (FIRST, 800)) == ["medium", "medium", "critical"]


def test_totp_alone_is_medium_and_totp0_is_none() -> None:
    assert levels((TOTP, 0), (TOTP, 1)) == ["medium"]
    assert levels((TOTP0, 0), (TOTP0, 1)) == []


def test_two_codes_below_a_parent_are_not_critical() -> None:
    """The id of a TOTP is a code, and no session."""
    assert levels((TOTP, 0), (f"baakbgjer0fa.{PARENT}", 1)) == ["medium"]


@pytest.mark.parametrize("bootstrap", [TOTP, TOTP0])
def test_message_after_a_bootstrap_is_critical(bootstrap: str) -> None:
    assert levels((bootstrap, 0), (FIRST, 30))[-1] == "critical"
    assert levels((bootstrap, 0), (FIRST, 601))[-1] == "medium"
    assert levels((bootstrap.replace("c2", "d2"), 0), (FIRST, 30))[-1] == "medium"


def test_last_bootstrap_counts() -> None:
    assert levels((TOTP0, 0), (TOTP0, 700), (FIRST, 1000)) == ["critical"]
    # A late one does not hide the newest one.
    assert levels((TOTP0, 700), (TOTP0, 100), (FIRST, 1290)) == ["critical"]


def test_totp_has_no_session() -> None:
    (document,) = alerts_of([Sliver()], [record(TOTP)])
    assert document["cfdns"]["sliver"] == {"message": "TOTP", "encoder": "base32", "parent": PARENT}


def test_totp0_before_only_itself_never_alerts() -> None:
    assert levels((TOTP0, 0), (TOTP0.upper(), 5), (TOTP, 10)) == ["medium"]


def test_early_messages_have_one_session_a_parent() -> None:
    assert levels((DOMAINKEY, 0)) == ["medium"]
    assert levels((DOMAINKEY, 0), (f"abcdef.ghijkl._cb.{PARENT}", 1)) == ["medium", "critical"]


def test_memory_of_sessions_is_bounded() -> None:
    sessions = Sessions(600 * S, max_sessions=2)
    sessions.add("a.example", 1, "1", 0)
    sessions.add("b.example", 1, "1", 0)
    sessions.add("a.example", 1, "1", 0)
    sessions.add("c.example", 1, "1", 0)
    assert len(sessions) == 2
    assert sessions.add("a.example", 1, "2", 0)
    assert not sessions.add("b.example", 1, "2", 0)


def test_bootstraps_are_bounded() -> None:
    sessions = Sessions(600 * S, max_sessions=2)
    for parent in ("a.example", "b.example", "c.example"):
        sessions.add_bootstrap(parent, 0)
    assert not sessions.add("a.example", 1, "1", 0)
    assert sessions.add("c.example", 1, "1", 0)


def test_sessions_agree_with_all_names_kept() -> None:
    """With all names and times kept, the same messages are confirmed, if none is later than a window."""
    rng = random.Random(5)
    for _ in range(300):
        sessions = Sessions(600 * S)
        seen: list[tuple[str, int]] = []
        newest = 0
        for _ in range(30):
            newest += rng.choice((0, 1, 100, 500, 700))
            time = newest - rng.choice((0, 0, 0, 1, 50))
            name = rng.choice("abcd")
            expected = any(other != name and abs(time - at) <= 600 for other, at in seen)
            assert sessions.add("p.example", 1, name, time * S) == expected
            seen.append((name, time))
