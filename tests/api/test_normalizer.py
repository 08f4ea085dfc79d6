"""A Normalizer is immutable, also for several threads, and can be copied, pickled and subclassed."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from golden import ALL_GOLDEN, INPUTS
from support.records import GOOD, MIXED
from support.writers import WRITERS

from cfdns_fast import Normalizer


@pytest.mark.parametrize(
    "name", ["schema", "on_reject", "keep_message", "timestamp_unit", "max_record_bytes", "brand_new", "to_dicts"]
)
def test_normalizer_attributes_are_read_only(name: str) -> None:
    normalizer = Normalizer()
    with pytest.raises((AttributeError, TypeError)):
        setattr(normalizer, name, None)
    with pytest.raises((AttributeError, TypeError)):
        delattr(normalizer, name)
    assert normalizer.to_dicts(GOOD) == Normalizer().to_dicts(GOOD)


def test_normalizer_second_init_raises() -> None:
    normalizer = Normalizer()
    with pytest.raises(AttributeError, match="immutable"):
        normalizer.__init__("ecs")  # type: ignore[misc]
    assert normalizer.to_dicts(b"{}") == Normalizer().to_dicts(b"{}")


def test_normalizer_keeps_no_state_between_calls() -> None:
    normalizer = Normalizer()
    first = normalizer.to_dicts(MIXED)
    normalizer.to_ndjson(ALL_GOLDEN)
    abandoned = normalizer.iter_dicts(MIXED)
    next(abandoned)
    assert normalizer.to_dicts(MIXED) == first


def test_normalizer_can_be_shared_by_threads() -> None:
    """Each of eight threads gets the results that it gets without the other threads."""
    normalizer = Normalizer()
    batches = [b"\n".join(INPUTS[number::8]) for number in range(8)]
    serial = [[write(normalizer, batch) for write in WRITERS.values()] for batch in batches]
    barrier = threading.Barrier(8)
    got: list[Any] = [None] * 8

    def work(number: int) -> None:
        barrier.wait()
        got[number] = [[write(normalizer, batches[number]) for write in WRITERS.values()] for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[expected] * 3 for expected in serial]


# Weak references, copies, subclasses

#: Ways to duplicate a normalizer.
DUPLICATES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda normalizer, protocol=protocol: pickle.loads(pickle.dumps(normalizer, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


class Plain(Normalizer):
    """A subclass that adds nothing."""


class WithArguments(Normalizer):
    """A subclass with other arguments, attributes of its own and a slot."""

    __slots__ = ("__dict__", "__hidden", "tenant")
    tenant: str
    seen: list[Any]
    calls = 0

    def __init__(self, tenant: str, /, seen: list[Any]) -> None:
        type(self).calls += 1
        super().__init__("ecs", on_reject="raise", keep_message=False)
        for name, value in {"tenant": tenant, "seen": seen, "_WithArguments__hidden": "hidden"}.items():
            object.__setattr__(self, name, value)

    @property
    def hidden(self) -> Any:
        return self.__hidden


class WithNew(Normalizer):
    """A subclass that cannot be made without an argument."""

    def __new__(cls, needed: int) -> WithNew:
        return super().__new__(cls)

    def __init__(self, needed: int) -> None:
        super().__init__(timestamp_unit="s")


class WithState(Normalizer):
    """A subclass that defines its own state for pickle."""

    def __init__(self, number: int) -> None:
        super().__init__()
        object.__setattr__(self, "number", number)

    def __getstate__(self) -> Any:
        return {"number": self.__dict__["number"]}

    def __setstate__(self, state: Any) -> None:
        object.__setattr__(self, "number", state["number"] + 1)


def test_normalizer_can_be_weakly_referenced() -> None:
    normalizer = Normalizer()
    reference = weakref.ref(normalizer)
    by_normalizer = weakref.WeakKeyDictionary({normalizer: "value"})
    assert reference() is normalizer
    del normalizer
    gc.collect()
    assert reference() is None
    assert not by_normalizer


@pytest.mark.parametrize("name", DUPLICATES)
@pytest.mark.parametrize("cls", [Normalizer, Plain])
def test_normalizer_duplicate_has_type_and_options(cls: type[Normalizer], name: str) -> None:
    normalizer = cls("ecs", keep_message=False, timestamp_unit="ms", input_format="csv", columns=("QueryName",))
    twin = DUPLICATES[name](normalizer)
    assert type(twin) is cls
    assert repr(twin) == repr(normalizer)
    assert repr(twin).startswith(f"{cls.__name__}(schema='ecs', ")
    assert twin.to_dicts(b"www.example.com\n") == normalizer.to_dicts(b"www.example.com\n")
    with pytest.raises(AttributeError, match="immutable"):
        twin.schema = "sekoia"


@pytest.mark.parametrize("name", DUPLICATES)
def test_subclass_duplicate_keeps_its_attributes(name: str) -> None:
    normalizer = WithArguments("tenant", seen=["a"])
    calls = WithArguments.calls
    twin = DUPLICATES[name](normalizer)
    assert type(twin) is WithArguments
    assert WithArguments.calls == calls
    assert (twin.tenant, twin.seen, twin.hidden) == ("tenant", ["a"], "hidden")
    assert (twin.seen is normalizer.seen) == (name == "copy")
    assert twin.to_ndjson(GOOD) == normalizer.to_ndjson(GOOD)
    for attribute in ("tenant", "seen", "brand_new"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(twin, attribute, None)


@pytest.mark.parametrize("name", DUPLICATES)
def test_subclass_duplicate_calls_no_constructor(name: str) -> None:
    twin = DUPLICATES[name](WithNew(1))
    assert type(twin) is WithNew
    assert "timestamp_unit='s'" in repr(twin)


@pytest.mark.parametrize("name", DUPLICATES)
def test_subclass_duplicate_uses_its_own_state_methods(name: str) -> None:
    twin = DUPLICATES[name](WithState(1))
    assert (type(twin), twin.number) == (WithState, 2)


@pytest.mark.parametrize("name", DUPLICATES)
def test_subclass_attribute_may_be_the_normalizer(name: str) -> None:
    normalizer = WithArguments("tenant", seen=[])
    normalizer.seen.append(normalizer)
    twin = DUPLICATES[name](normalizer)
    assert twin.seen[0] is (normalizer if name == "copy" else twin)


def test_subclass_is_immutable() -> None:
    normalizer = WithArguments("tenant", seen=[])
    with pytest.raises(AttributeError, match="immutable"):
        normalizer.tenant = "other"
    with pytest.raises(AttributeError, match="immutable"):
        del normalizer.seen
    with pytest.raises(AttributeError, match="immutable"):
        Normalizer.__init__(normalizer, "ecs")
