"""Run by test_memory.py with failing_malloc.c preloaded: make every allocation of a call fail once.

    python allocation_failures.py CALL MIN_BYTES cold|warm [exhaust]

With exhaust, all later allocations of the call fail too.

Prints the number of tries, and the number of tries that raised MemoryError.
"""

from __future__ import annotations

import ctypes
import pickle
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest.mock import patch

from support.detectors import Found
from support.records import FULL_RECORD

from cfdns_fast import Normalizer, _core
from cfdns_fast.mapping import load
from cfdns_fast.matching import Match, NameTableBuilder, Predicates, SliverNames
from cfdns_fast.plan import compiler

GOOD = '{"QueryName":"www.éxample.com.","SourceIP":"192.0.2.7","Timestamp":1657233726,"x":[1,"\\u00e9"]}\n'.encode()
LISTS = b'{"ResolvedIPs":["192.0.2.1","x"],"RData":[{"type":"1","data":"\\u00e9"}],"QueryName":"a.b.com"}\n'
FULL = (FULL_RECORD + b"\n") * 20
DATA = (GOOD * 3 + b"oops\n" + b'{"ColoCode":"\\u00e9"}{"QueryType":-1}\n') * 40 + b"{"
#: The second record has a problem before the value whose memory may be missing; the first one would show it later.
NOTED = b'{"QueryName":"a.com"}\n{"QueryType":-1,"ColoCode":"\\u0041' + b"x" * 400_000 + b'"}\n'
DOCUMENT = b"[" + GOOD + b"," + GOOD + b"," + LISTS + b",1] oops"
WRAPPED = b'{"\\u00e9":[{"QueryName":"a"}],"x":1}\n' + GOOD


def change(event: dict[str, Any], number: int) -> str:
    """Return an event as text, and then change the event."""
    text = repr(event)
    event["dns"].pop("response_code", None)
    event["related"]["hosts"] = event["observer"] = {"x": [number]}
    event["cloudflare"]["x"] = number
    if number % 3 == 0:
        event["x"] = [event.pop("source")]
    return text


def stream(normalizer: Normalizer) -> Any:
    parts = normalizer.stream()
    results = [parts.feed(DATA[:1000]), parts.feed(DATA[1000:]), parts.finish()]
    return [(part.output, part.rejects) for part in results]


def rejects(normalizer: Normalizer) -> Any:
    found = normalizer.to_ndjson(b"x\n" * 3000).rejects
    return [found + found, found[::2], found.count_by_code(), pickle.loads(pickle.dumps(found))]


@cache
def schema() -> Any:
    return Normalizer().to_arrow(b"").output.schema


def to_arrow(normalizer: Normalizer, data: bytes, **options: Any) -> Any:
    import pyarrow

    wanted = schema()

    def take(address: int) -> Any:
        # An allocation that fails within pyarrow ends the process.
        left = LIBRARY.disarm()
        batch = pyarrow.RecordBatch._import_from_c(address, wanted)
        LIBRARY.arm(left, int(sys.argv[2]))
        return batch

    return normalizer._converter.to_arrow(data, take, **options)


def in_new_thread(normalizer: Normalizer) -> Any:
    left = LIBRARY.disarm()
    other = Normalizer()
    results: list[Any] = []
    # Allocations of this thread would fail too, so it only waits for locks, which allocates nothing.
    begin, end = threading.Lock(), threading.Lock()
    begin.acquire()
    end.acquire()

    def convert() -> None:
        nonlocal left
        # In a thread's first call glibc ends the process if it cannot allocate what C++ exceptions need in each thread.
        other.to_ndjson(b"")
        begin.acquire()
        LIBRARY.arm(left, int(sys.argv[2]))
        try:
            results.append(normalizer.to_ndjson(DATA))
        except MemoryError as error:
            results.append(error)
        finally:
            left = LIBRARY.disarm()
            end.release()

    thread = threading.Thread(target=convert)
    thread.start()
    begin.release()
    end.acquire()
    thread.join()
    LIBRARY.arm(left, int(sys.argv[2]))
    if isinstance(results[0], MemoryError):
        raise results[0]
    return results[0]


def table() -> Any:
    builder = NameTableBuilder()
    builder.add("example.com")
    return builder.build()


#: Built once, so that only conversions fail.
DETECT = [Found(SliverNames()), Found(table()), Found(Predicates([Match("name", "contains", ("ample",))]))]
MATCHED = (b'{"QueryName":"baakb968ww3a.ns1.example.com"}\n{"QueryName":"\\u0061.example.com"}\n' + GOOD) * 20


def detected(normalizer: Normalizer) -> Any:
    result = normalizer.to_ndjson(MATCHED)
    iterator = normalizer.iter_dicts(MATCHED)
    return [result.output, tuple(result.detections), list(iterator), tuple(iterator.detections)]


def make(_: Normalizer) -> Any:
    # The real suffix rules are compiled once per process, in tens of thousands of allocations.
    table = _core.SuffixTable(bytes(40), [(0, b"com", 1), (1, b"example", 2)], [(0xC9, 0xE9)])
    with patch.object(compiler, "suffix_table", lambda _: table):
        made = compiler.compile_plan(
            load("ecs", "gateway_dns"),
            private_suffixes=False,
            timestamp_unit="auto",
            max_record_bytes=100,
            record_delimiter=b"||",
        )
    return _core.Converter(made).to_ndjson(LISTS).output


CALLS: dict[str, tuple[dict[str, Any], Callable[[Normalizer], Any]]] = {
    "to_ndjson": ({}, lambda n: n.to_ndjson(DATA)),
    "in a new thread": ({}, in_new_thread),
    "threads": ({}, lambda n: n.to_ndjson(DATA * 40, threads=3)),
    "to_arrow": ({}, lambda n: to_arrow(n, DATA)),
    "to_arrow threads": ({}, lambda n: to_arrow(n, DATA * 40, threads=3)),
    "to_dicts": ({}, lambda n: n.to_dicts(DATA)),
    "iter_dicts": ({}, lambda n: list(n.iter_dicts(DATA))),
    "a loop": ({}, lambda n: [change(event, number) for number, event in enumerate(n.iter_dicts(FULL))]),
    "parse": ({}, lambda n: n._converter.parse(GOOD)),
    "stream": ({}, stream),
    "rejects": ({}, rejects),
    "document": ({"input_format": "json"}, lambda n: n.to_dicts(DOCUMENT)),
    "auto": ({"input_format": "auto"}, lambda n: n.to_ndjson(WRAPPED)),
    "noted problems": ({"keep_message": False}, lambda n: n.to_ndjson(NOTED)),
    "lists": ({"dataset": "gateway_dns"}, lambda n: n.to_ndjson(LISTS * 20)),
    "detect": ({"detect": DETECT}, detected),
    "detect threads": ({"detect": DETECT}, lambda n: n.to_ndjson(MATCHED * 40, threads=3)),
    "make": ({}, make),
}


def run(name: str, min_bytes: int, cold: bool) -> tuple[int, int]:
    options, call = CALLS[name]
    shared = Normalizer(**options)
    expected = call(shared)
    failures = tried = 0
    while True:
        tried += 1
        # A new normalizer has no workspace yet, so that the allocation of the workspace fails too.
        normalizer = Normalizer(**options) if cold else shared
        LIBRARY.arm(tried, min_bytes)
        try:
            result = call(normalizer)
        except MemoryError:
            left = LIBRARY.disarm()
            failures += 1
            assert left == 0, "an unexpected MemoryError"
        else:
            left = LIBRARY.disarm()
            assert result == expected, "a wrong result"
        assert call(normalizer) == expected, "a wrong result afterwards"
        if left or tried == 2000:
            return tried, failures


if __name__ == "__main__":
    LIBRARY = ctypes.CDLL(None)
    LIBRARY.arm.argtypes = [ctypes.c_long, ctypes.c_size_t]
    LIBRARY.disarm.restype = ctypes.c_long
    LIBRARY.exhaust(sys.argv[4:] == ["exhaust"])
    # The interpreter would print exceptions that it cannot raise.
    sys.unraisablehook = lambda _: None
    print(*run(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "cold"))
