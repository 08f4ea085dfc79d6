"""Each event is a new dict that only the caller refers to, and the pattern of events is unreachable."""

from __future__ import annotations

import copy
import gc
import os
import random
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import random_mappings
from support.mappings import field, write_mapping
from support.processes import FREE_THREADED, run_python
from support.random_mappings import BUNDLED, COUNT, SEED, normalizers
from support.records import FULL_RECORD, containers, records

from cfdns_fast import Normalizer, _core
from cfdns_fast.mapping import load

TESTS = Path(__file__).parents[1]

#: Whether the switch is at "0", which turns off writing by index. The tests run a second time like this.
SWITCHED_OFF = os.environ.get("CFDNS_DICT_PLACES") == "0"
#: CPython releases in which values are written into copied dicts by index.
HAS_PLACES = (
    sys.implementation.name == "cpython"
    and not FREE_THREADED
    # One job of CI builds for newer releases too.
    and (sys.version_info < (3, 15) or "CFDNS_DICT_PLACES_BEFORE" in os.environ.get("CPPFLAGS", ""))
)


class Witness:
    """An object that calls a function when it is freed."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


def change(pick: random.Random, event: dict[str, Any], parts: list[Any]) -> None:
    """Change some of an event's containers at random."""
    for node in parts:
        action = pick.randrange(6)
        if action == 0:
            node.clear()
        elif action == 1 and node:
            node.pop(*([] if isinstance(node, list) else [pick.choice([*node])]))
        elif action == 2 and isinstance(node, dict):
            node.update((str(number), [number]) for number in range(pick.choice([1, 7, 100])))
        elif action == 3 and isinstance(node, list):
            node.append(event)
        elif action == 4 and isinstance(node, dict):
            node.update(dict.fromkeys(node, event))
            break


def require_new_events(normalizer: Normalizer, data: bytes, pick: random.Random) -> None:
    """Require that each event equals that of `to_dicts` after any change to the earlier events."""
    expected = normalizer.to_dicts(data).output
    known: set[int] = set()
    held: list[Any] = []
    for event, other in zip(normalizer.iter_dicts(data), expected, strict=True):
        # repr() distinguishes True from 1, and shows the order of keys.
        assert event == other and repr(event) == repr(other)
        parts = list(containers(event))
        assert known.isdisjoint(map(id, parts))
        known.update(map(id, parts))
        for node in parts:
            if any(isinstance(child, (dict, list)) for child in (node.values() if isinstance(node, dict) else node)):
                assert gc.is_tracked(node)
        held.append(parts)  # so that every id stays unique
        change(pick, event, parts)


@pytest.mark.parametrize(("schema", "dataset"), BUNDLED)
def test_event_is_new_after_changes_to_earlier_ones(schema: str, dataset: str) -> None:
    pick = random.Random(SEED)
    sources = [source for each in load(schema, dataset).fields for source in each.sources]
    normalizer = Normalizer(schema, dataset=dataset)
    for _ in range(COUNT // 20):
        for data in (records(12), b"\n".join(random_mappings.batch(pick, sources) for _ in range(3))):
            require_new_events(normalizer, data, pick)


def test_event_of_a_random_mapping_is_new(tmp_path: Path) -> None:
    pick = random.Random(SEED)
    for normalizer, _ in normalizers(pick, tmp_path, COUNT // 8):
        data = b"\n".join(random_mappings.batch(pick, random_mappings.KEYS) for _ in range(3))
        require_new_events(normalizer, data, pick)


def test_event_has_its_constants_in_a_large_dict(tmp_path: Path) -> None:
    constants = "".join(field(to=f"a.c{number}", kind="constant", value=f"v{number}") for number in range(300))
    normalizer = Normalizer(write_mapping(tmp_path, field(**{"from": "K"}, to="a.k", kind="text") + constants))
    for event in normalizer.iter_dicts(b'{"K":"x"}\n' * 9):
        assert event["a"] == {"k": "x"} | {f"c{number}": f"v{number}" for number in range(300)}
        event["a"]["c63"] = "x"


@pytest.mark.parametrize("key", ["message", "new", "dns"])
def test_object_in_an_event_is_freed_with_it(key: str) -> None:
    gone: list[int] = []
    given = 0
    for event in Normalizer().iter_dicts(records(30)):
        assert len(gone) == given
        event[key] = Witness(lambda: gone.append(1))
        given += 1
    assert given == 30
    del event
    assert len(gone) == given


def test_finalizer_can_ask_for_the_next_event() -> None:
    iterator = Normalizer().iter_dicts(records(50))
    expected = Normalizer().to_dicts(records(50)).output
    given: list[Any] = []
    for event in iterator:
        given.append(copy.deepcopy(event))
        event["related"]["hosts"][0] = Witness(lambda: given.append(next(iterator, None)))
    del event
    assert sorted(filter(None, given), key=lambda each: each["message"]) == sorted(
        expected, key=lambda each: each["message"]
    )


def test_unfinished_iterator_keeps_no_event() -> None:
    iterator = Normalizer().iter_dicts(records(9))
    assert gc.get_referents(iterator) == []
    for _ in range(3):
        event = next(iterator)
        event["witness"] = Witness(lambda: None)
        reference = weakref.ref(event["witness"])
        del event
        assert reference() is None


def test_event_that_holds_its_iterator_is_collected() -> None:
    iterator = Normalizer().iter_dicts(records(9))
    event = next(iterator)
    event["dns"]["iterator"], event["dns"]["event"] = iterator, event
    event["dns"]["witness"] = Witness(lambda: None)
    reference = weakref.ref(event["dns"]["witness"])
    del iterator, event
    gc.collect()
    assert reference() is None


@pytest.mark.skipif(FREE_THREADED, reason="its collector waits longer")
def test_cycles_of_events_are_collected_in_a_loop() -> None:
    alive: list[int] = []
    max_alive = 0
    for number, event in enumerate(Normalizer().iter_dicts((FULL_RECORD + b"\n") * 10_000)):
        event["itself"] = event
        if number % 100 == 0:
            event["witness"] = Witness(lambda: alive.pop() and None)
            alive.append(1)
            max_alive = max(max_alive, len(alive))
    assert max_alive < 60


# Code that looks for the patterns of events, or for events that are not complete.

HOSTILE = """
import gc, sys, types
from support.records import FULL_RECORD, GOOD
from cfdns_fast import Normalizer

DATA = (FULL_RECORD + b"\\n" + GOOD + b'{"ResolvedIPs":["192.0.2.1","x"],"RData":[{"type":"1","data":"x"}]}\\n') * 4

def keys_of(value):
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set(value).union(*map(keys_of, value.values())) if isinstance(value, dict) else set()

def attack(node, way):
    if type(node) is list:
        if way % 2:
            node.clear()
        return
    if not node or not all(type(key) is str and key in KEYS for key in node):
        return
    if way == 0:
        node.clear()
    elif way == 1:
        node.pop(next(iter(node)))
    elif way == 2:
        node.popitem()
    elif way == 3:
        node.update((str(number), number) for number in range(500))
    elif way == 4:
        node[1] = 2
    else:
        items = list(node.items())[::-1]
        node.clear()
        node.update(items)

def reachable(start):
    "Return all objects that gc.get_referents() reaches."
    seen, left = {}, [start]
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, (type, types.ModuleType, types.FunctionType)):
            continue
        seen[id(each)] = each
        left += gc.get_referents(each)
    return seen.values()
"""

PATTERNS = """
def convert(normalizer):
    record = normalizer._converter.parse(FULL_RECORD)
    got = [normalizer.to_dicts(DATA).output, list(normalizer.iter_dicts(DATA)), record]
    try:
        return [got, normalizer.to_dicts(b"{}{").problems]
    except Exception:
        return got

for way in range(6):
    normalizer = Normalizer(dataset=sys.argv[1])
    expected = repr(convert(normalizer))
    KEYS = keys_of(normalizer.to_dicts(DATA).output)
    gc.collect()
    for node in gc.get_objects():
        if type(node) is dict:
            attack(node, way)
    assert repr(convert(normalizer)) == expected, way
    for node in reachable(normalizer._converter):
        if type(node) in (dict, list):
            node.clear()
    assert repr(convert(normalizer)) == expected, way
print("alive")
"""

CALLBACK = """
busy = False
KEYS = keys_of([Normalizer(dataset=name).to_dicts(DATA).output for name in ("dns_logs", "gateway_dns")])
gc.freeze()

def callback(phase, info):
    global busy, found
    if busy or phase == "start":
        return
    busy = True
    for node in gc.get_referents(iterator):
        if type(node) in (dict, list):
            node.clear()
    # The newest objects.
    for node in gc.get_objects()[-60:]:
        if type(node) is dict:
            found += "message" in node or "question" in node
            attack(node, way)
        elif type(node) is list and all(type(each) in (str, dict) for each in node):
            attack(node, way)
    busy = False

found = 0
for way in range(6):
    for dataset in ("dns_logs", "gateway_dns"):
        normalizer = Normalizer(dataset=dataset)
        for keep in (False, True):
            iterator = normalizer.iter_dicts(DATA)
            kept = []
            threshold = gc.get_threshold()
            gc.callbacks.append(callback)
            gc.set_threshold(1)
            try:
                while True:
                    try:
                        event = next(iterator)
                    except (KeyError, IndexError, ValueError, RuntimeError, SystemError):
                        break
                    repr(event)
                    if keep:
                        kept.append(event)
            except StopIteration:
                pass
            gc.set_threshold(*threshold)
            gc.callbacks.remove(callback)
            repr(kept)
print("alive")
"""


@pytest.mark.parametrize("dataset", ["dns_logs", "gateway_dns"])
def test_event_pattern_is_unreachable(dataset: str) -> None:
    done = run_python(HOSTILE + PATTERNS, dataset)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


def test_hostile_collector_callback_crashes_nothing() -> None:
    """On CPython 3.11 a callback of the collector runs while an event is made."""
    done = run_python(HOSTILE + CALLBACK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


# The switch


def test_switch_turns_off_writing_by_index() -> None:
    code = "from cfdns_fast import _core; print(_core.DICT_PLACES)"
    for value, expected in (("0", "False\n"), ("1", f"{HAS_PLACES}\n"), (None, f"{HAS_PLACES}\n")):
        assert run_python(code, CFDNS_DICT_PLACES=value).stdout == expected
    assert (HAS_PLACES and not SWITCHED_OFF) == _core.DICT_PLACES


@pytest.mark.slow
@pytest.mark.skipif(SWITCHED_OFF, reason="this is the second run")
def test_these_tests_pass_with_the_switch_off() -> None:
    modules = [
        str(Path(__file__).parents[1] / name)
        for name in ("native/test_dicts.py", "native/test_core.py", "api/test_results.py")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", *modules],
        env={**os.environ, "CFDNS_DICT_PLACES": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
