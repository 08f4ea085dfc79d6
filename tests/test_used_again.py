"""Events that `iter_dicts` makes of earlier ones, which nobody holds any more: nobody can tell them from new ones."""

from __future__ import annotations

import copy
import gc
import random
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import random_mappings
from random_mappings import BUNDLED, COUNT, SEED, normalizers
from support import FREE_THREADED, FULL_RECORD, GOOD, containers, field, records, write_mapping

from cfdns_fast import Normalizer, _core
from cfdns_fast.mapping import load

HAS_REUSE = _core.REUSES_EVENTS

#: What an event that was used may hold afterwards.
VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: "x",
    lambda: "".join(["AM", "S"]),
    lambda: 1 << 70,
    lambda: True,
    lambda: {},
    lambda: [],
    lambda: ["network"],
    lambda: {"name": "x"},
    lambda: object(),
]


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """Hundreds of collections are made here; none looks at what other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Text(str):
    """A key or value that is not exactly a str."""


def change(pick: random.Random, event: dict[str, Any], held: list[Any]) -> None:
    """Do to an event what its owner may do, and hold on to some of it."""
    found = list(containers(event))
    for _ in range(pick.choice([0, 0, 1, 2, 5])):
        node = pick.choice(found)
        if pick.random() < 0.2:
            held.append(node)
            continue
        if isinstance(node, list):
            change_list(pick, node)
        else:
            change_dict(pick, node, found)


def change_list(pick: random.Random, node: list[Any]) -> None:
    action = pick.randrange(5)
    if action == 0 and node:
        node[pick.randrange(len(node))] = pick.choice(VALUES)()
    elif action == 1:
        node.append(pick.choice(VALUES)())
    elif action == 2:
        node.clear()
    elif action == 3 and node:
        node.append(node.pop(0))
    else:
        node *= 2


def change_dict(pick: random.Random, node: dict[Any, Any], found: list[Any]) -> None:
    key = pick.choice([*node, "new", Text("new"), 1])
    action = pick.randrange(10)
    if action == 0:
        node[key] = pick.choice(VALUES)()
    elif action == 1:
        node.pop(key, None)
    elif action == 2:
        # The last key now.
        node[key] = node.pop(key, 0)
    elif action == 3:
        node.clear()
    elif action == 4:
        # In two places, perhaps within itself.
        node[key] = pick.choice(found)
    elif action == 5:
        node.update((number, number) for number in range(pick.choice([1, 7, 100])))
    elif action == 6:
        items = [*node.items()]
        node.clear()
        node.update(items[::-1])
    elif action == 7 and node:
        other = pick.choice([*node])
        node[key], node[other] = node[other], node.get(key)
    elif action == 8:
        node[key] = copy.copy(node)
    else:
        # Whoever makes a dict of nothing but texts makes one that the collector does not track.
        for name, child in [*node.items()]:
            node[name] = dict.fromkeys(child, "x") if isinstance(child, dict) else "x"


def equal_and_alike(value: Any, other: Any) -> bool:
    """Whether order and types are the same too; True is not 1."""
    return value == other and repr(value) == repr(other)


def require_new_events(normalizer: Normalizer, data: bytes, pick: random.Random) -> None:
    """Consume events in some way, and require that each is what `to_dicts` gives and that none changes afterwards."""
    expected = normalizer.to_dicts(data).output
    window: deque[Any] = deque(maxlen=pick.choice([0, 1, 2, 3, 1000]))
    held: list[Any] = []
    texts: dict[int, str] = {}  # of what is still held
    iterator = normalizer.iter_dicts(data)
    count = 0
    for event in iterator:
        assert equal_and_alike(event, expected[count]), count
        count += 1
        parts = list(containers(event))
        for node in parts:
            if any(isinstance(child, (dict, list)) for child in (node.values() if isinstance(node, dict) else node)):
                assert gc.is_tracked(node)
        assert len(set(map(id, parts))) == len(parts)
        assert not set(map(id, parts)) & {id(each) for other in (*window, *held) for each in parts_of(other)}
        before = len(held)
        change(pick, event, held)
        texts.update((id(each), repr(each)) for each in held[before:])
        window.append(event)
        if window:
            texts[id(event)] = repr(event)
        if pick.random() < 0.1:
            del event
        if pick.random() < 0.05:
            gc.collect()
        for each in (*window, *held):
            assert repr(each) == texts[id(each)]
        del held[:-20]
    assert count == len(expected)


def parts_of(value: Any) -> Iterator[Any]:
    """Give containers, of which some may hold themselves."""
    seen: dict[int, Any] = {}
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, (dict, list)) and id(each) not in seen:
            seen[id(each)] = each
            left += each.values() if isinstance(each, dict) else each
    yield from seen.values()


@pytest.mark.skipif(
    FREE_THREADED or ".abi3." in _core.__file__ or sys.version_info >= (3, 15), reason="no event is used again"
)
def test_events_when_dropped_then_are_used_again() -> None:
    assert HAS_REUSE
    assert len({id(event) for event in Normalizer().iter_dicts((FULL_RECORD + b"\n") * 50)}) == 2


@pytest.mark.parametrize(("schema", "dataset"), BUNDLED)
def test_events_when_consumers_do_anything_with_them_then_later_ones_are_as_new(schema: str, dataset: str) -> None:
    pick = random.Random(SEED)
    sources = [source for each in load(schema, dataset).fields for source in each.sources]
    normalizer = Normalizer(schema, dataset=dataset)
    usual = records(12)
    for _ in range(COUNT // 8):
        data = usual if pick.random() < 0.5 else b"\n".join(random_mappings.batch(pick, sources) for _ in range(3))
        require_new_events(normalizer, data, pick)


def test_events_when_mappings_are_by_chance_and_consumers_do_anything_then_later_ones_are_as_new(
    tmp_path: Path,
) -> None:
    pick = random.Random(SEED)
    for normalizer, _ in normalizers(pick, tmp_path, COUNT // 8):
        for _ in range(4):
            data = b"\n".join(random_mappings.batch(pick, random_mappings.KEYS) for _ in range(3))
            require_new_events(normalizer, data, pick)


class Witness:
    """Something in an event that acts when it goes."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


PLACES: list[Callable[[dict[str, Any]], tuple[Any, Any]]] = [
    lambda event: (event, "message"),
    lambda event: (event, "new"),
    lambda event: (event, "dns"),
    lambda event: (event["dns"]["question"], "name"),
    lambda event: (event["related"]["hosts"], 0),
    lambda event: (event["event"]["category"], 0),
    lambda event: (event["event"], "kind"),
]


@pytest.mark.parametrize("place", PLACES, ids=range(len(PLACES)))
def test_object_when_put_into_an_event_then_goes_before_the_iterator_and_may_ask_it_for_the_next(
    place: Callable[[dict[str, Any]], tuple[Any, Any]],
) -> None:
    iterator = Normalizer().iter_dicts(records(50))
    expected = iter(Normalizer().to_dicts(records(50)).output)
    inner: list[Any] = []
    outer: list[Any] = []
    for event in iterator:
        outer.append(copy.deepcopy(event))
        node, key = place(event)
        node[key] = Witness(lambda: inner.append(copy.deepcopy(next(iterator, None))))
        del node
    del event
    given = sorted(filter(None, inner + outer), key=lambda each: each["message"])
    assert given == sorted(expected, key=lambda each: each["message"])
    assert len(inner) >= 20


def test_event_when_dropped_then_what_was_put_into_it_goes_with_the_second_next_one_at_the_latest() -> None:
    gone: list[int] = []
    given = 0
    for event in Normalizer().iter_dicts(records(30)):
        assert given - 3 <= len(gone) <= given
        event["new"] = Witness(lambda: gone.append(1))
        given += 1
    del event
    assert len(gone) == given


def test_event_when_it_holds_its_iterator_then_both_are_collected() -> None:
    iterator = Normalizer().iter_dicts(records(9))
    reference = weakref.ref(Witness(lambda: None))
    for number, event in enumerate(iterator):
        event["iterator"], event["itself"] = iterator, event
        event["witness"] = witness = Witness(lambda: None)
        if number == 4:
            reference = weakref.ref(witness)
            break
    del iterator, event, witness
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("collect", [False, True])
def test_dict_when_the_collector_does_not_track_it_then_it_does_once_a_list_is_put_into_it(collect: bool) -> None:
    for event in Normalizer().iter_dicts(GOOD * 9):
        assert gc.is_tracked(event) and gc.is_tracked(event["related"])
        event["related"] = {key: ",".join(hosts) for key, hosts in event["related"].items()}
        for key, child in event.items():
            if isinstance(child, dict) and collect:
                event[key] = str(child)
        if collect:
            gc.collect()


class Dict(dict[str, Any]):
    """A dict that is not exactly one."""


class List(list[Any]):
    """A list that is not exactly one."""


def test_parts_when_they_were_replaced_by_ones_of_other_types_then_are_not_used_again() -> None:
    for event in Normalizer().iter_dicts(GOOD * 9):
        parts = list(containers(event))
        assert {type(part) for part in parts} == {dict, list}
        event["dns"] = Dict(event["dns"])
        event["observer"] = OrderedDict(event["observer"])
        event["related"]["hosts"] = List(event["related"]["hosts"])
        event["event"]["type"] = List(event["event"]["type"])


def test_event_when_it_was_large_for_a_while_then_later_ones_are_small() -> None:
    sizes = []
    for event in Normalizer().iter_dicts((FULL_RECORD + b"\n") * 9):
        sizes.append(sys.getsizeof(event))
        event.update((str(number), number) for number in range(1000))
        for _ in range(1000):
            event.popitem()
    assert len(set(sizes)) == 1


def test_constant_when_its_dict_has_many_others_then_is_right_too(tmp_path: Path) -> None:
    constants = "".join(field(to=f"a.c{number}", kind="constant", value=f"v{number}") for number in range(100))
    normalizer = Normalizer(write_mapping(tmp_path, field(**{"from": "K"}, to="a.k", kind="text") + constants))
    for event in normalizer.iter_dicts(b'{"K":"x"}\n' * 9):
        assert event["a"] == {"k": "x"} | {f"c{number}": f"v{number}" for number in range(100)}
        event["a"]["c63"] = "x"


@pytest.mark.skipif(not HAS_REUSE, reason="no event is used again")
def test_object_when_the_next_record_has_nothing_for_its_place_then_goes_when_the_event_is_whole() -> None:
    seen: list[int] = []
    full = GOOD * 2 + b'{"ColoCode":"AMS","Timestamp":1}\n' * 2
    iterator = Normalizer().iter_dicts(full * 5)

    def act() -> None:
        for each in gc.get_referents(iterator):
            if type(each) is dict and "message" in each:
                seen.append(len(each.get("source", "xx")))

    for event in iterator:
        if "source" in event:
            event["source"]["ip"] = Witness(act)
    del event
    assert len(seen) >= 10
    # Half an event would have a source of which something is taken out already.
    assert set(seen) == {2}


@pytest.mark.skipif(FREE_THREADED, reason="its collector waits longer")
def test_cycles_when_a_loop_makes_nothing_else_then_are_collected() -> None:
    alive: list[int] = []
    most = 0
    for number, event in enumerate(Normalizer().iter_dicts((FULL_RECORD + b"\n") * 10_000)):
        event["itself"] = event
        if number % 100 == 0:
            event["witness"] = Witness(lambda: alive.pop() and None)
            alive.append(1)
            most = max(most, len(alive))
    assert most < 60


def test_constant_when_a_consumer_changed_it_then_the_next_events_have_it_as_it_is() -> None:
    for event in Normalizer().iter_dicts(GOOD * 9):
        assert event["event"] == {"category": ["network"], "dataset": "dns_logs", "kind": "event", "type": ["info"]}
        event["event"]["kind"] = "alert"
        event["event"]["category"][0] = "malware"
        event["event"]["type"].append("denied")
        event["observer"]["vendor"] = "".join(["Cloud", "flare"])
