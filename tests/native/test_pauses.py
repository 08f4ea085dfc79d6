"""A long conversion to dicts lets other threads run and signals be handled, with the garbage collector as it was."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.processes import FREE_THREADED, running
from support.records import GOOD, MIXED

from cfdns_fast import Normalizer

EVENTS = 20_000
DATA = GOOD * EVENTS
#: Conversions that run no Python code of a caller.
LONG: dict[str, Callable[[], Any]] = {
    "to_dicts": lambda: Normalizer().to_dicts(DATA),
    "iter_dicts": lambda: list(Normalizer().iter_dicts(DATA)),
    "rejects": lambda: list(Normalizer().iter_dicts(b"x\n" * 30 * EVENTS)),
}

every_long = pytest.mark.parametrize("convert", LONG.values(), ids=LONG)
with_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")


def interrupted(handler: Callable[[], object], function: Callable[[], object]) -> None:
    """Call a function while signals call a handler every few milliseconds.

    This is no context manager: a handler that raises while one is entered would leave the timer on.
    """
    is_inside = True
    is_handling = False

    def handle(*_: object) -> None:
        nonlocal is_handling
        # A handler may take longer than the time between two signals.
        if is_inside and not is_handling:
            is_handling = True
            try:
                handler()
            finally:
                is_handling = False

    before = signal.signal(signal.SIGALRM, handle)
    # A handler may run within a callback of the collector, where its exception is lost.
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
            function()
        finally:
            is_inside = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.callbacks[:] = callbacks


class Interrupt(Exception):
    """The exception of a handler."""


@every_long
def test_other_threads_run_during_conversion(convert: Callable[[], Any]) -> None:
    inside = False
    runs = 0
    paused = threading.Event()

    def run() -> None:
        nonlocal runs
        runs += inside
        paused.wait(0)  # releases the GIL

    interval = sys.getswitchinterval()
    # The other thread then asks for the GIL very soon.
    sys.setswitchinterval(1e-5)
    try:
        with running(run):
            for _ in range(50):
                inside = True
                convert()
                inside = False
                if runs >= 200:
                    break
    finally:
        sys.setswitchinterval(interval)
    # The other thread may also run a few times between two statements of this thread.
    assert runs >= 200


@with_timer
@every_long
def test_signals_are_handled_during_conversion(convert: Callable[[], Any]) -> None:
    """Signals that waited for the end of a conversion would call the handler only once."""
    handled = calls = 0

    def handle() -> None:
        nonlocal handled
        handled += 1

    def run() -> None:
        nonlocal calls
        while handled < 3 * calls + 3 and calls < 50:
            convert()
            calls += 1

    interrupted(handle, run)
    assert handled >= 3 * calls + 3 or handled > 100


def raise_at(number: int) -> Callable[[], None]:
    """Return a handler that raises at one of its calls."""
    handled = 0

    def handle() -> None:
        nonlocal handled
        handled += 1
        if handled == number:
            raise Interrupt

    return handle


@with_timer
def test_signal_ends_to_dicts() -> None:
    """A handler that is called only after the conversion is not called a third time."""
    with pytest.raises(Interrupt):
        interrupted(raise_at(3), lambda: Normalizer().to_dicts(DATA * 2))
    assert gc.isenabled()


@with_timer
def test_signal_loses_no_event_of_an_iterator() -> None:
    iterator = Normalizer().iter_dicts(b"x\n" + DATA)
    with pytest.raises(Interrupt):
        interrupted(raise_at(1), lambda: list(iterator))
    taken = iterator.events
    assert 0 < taken < EVENTS
    assert (len(list(iterator)), len(iterator.rejects)) == (EVENTS - taken, 1)


@with_timer
@pytest.mark.parametrize("enabled", [True, False])
def test_handlers_see_the_collector_unchanged(enabled: bool) -> None:
    seen: list[bool] = []

    def handle() -> None:
        seen.append(gc.isenabled())
        # The handler converts within a conversion.
        assert len(Normalizer().to_dicts(MIXED).output) == 5
        seen.append(gc.isenabled())

    def run() -> None:
        while len(seen) < 10:
            Normalizer().to_dicts(DATA)
            assert gc.isenabled() is enabled

    (gc.enable if enabled else gc.disable)()
    try:
        interrupted(handle, run)
    finally:
        gc.enable()
    assert set(seen) == {enabled}


def test_other_threads_see_the_collector_enabled() -> None:
    seen: set[bool] = set()
    results: list[int] = []

    def convert() -> None:
        results.append(len(Normalizer().to_dicts(DATA).output))

    threads = [threading.Thread(target=convert) for _ in range(2)]
    with running(lambda: seen.add(gc.isenabled())):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (seen, gc.isenabled(), results) == ({True}, True, [EVENTS] * 2)


@pytest.mark.skipif(FREE_THREADED, reason="a conversion does not disable the collector there")
def test_collector_disabled_by_a_thread_stays_off() -> None:
    done = threading.Event()

    def turn_off() -> None:
        gc.disable()
        done.set()

    try:
        while not done.is_set():
            thread = threading.Thread(target=turn_off)
            thread.start()
            Normalizer().to_dicts(DATA)
            thread.join()
        assert not gc.isenabled()
    finally:
        gc.enable()
