"""Memory that runs out, memory that is given back, and memory that others change or take away."""

from __future__ import annotations

import gc
import mmap
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import MIXED, SANITIZED, WRITERS, every_writer, memory_mapped, run_python, running

from cfdns_fast import Normalizer, RecordError
from cfdns_fast.stream import NdjsonStream

#: CFDNS_SOAK=N does N times as much; README.md names it.
SOAK = int(os.environ.get("CFDNS_SOAK", "1"))

# An allocation that fails

FAIL = """
import ctypes, sys
from cfdns_fast import Normalizer
from cfdns_fast.stream import NdjsonStream

library = ctypes.CDLL(None)
library.arm.argtypes = [ctypes.c_long, ctypes.c_size_t]
library.disarm.restype = ctypes.c_long

GOOD = b'{"QueryName":"www.\\xc3\\xa9xample.com.","SourceIP":"192.0.2.7","Timestamp":1657233726,"x":[1,"\\\\u00e9"]}\\n'
DATA = (GOOD * 3 + b"oops\\n" + b'{"ColoCode":"\\\\u00e9"}{"QueryType":-1}\\n') * 40 + b"{"

def parse(normalizer):
    return normalizer._plan.parse(GOOD)

def stream(normalizer):
    stream = NdjsonStream(normalizer)
    parts = [stream.feed(DATA[:1000]), stream.feed(DATA[1000:]), stream.finish()]
    return [(part.output, part.rejects) for part in parts]

def to_arrow(normalizer, data, **options):
    import pyarrow

    def take(address):
        # An allocation that fails within pyarrow ends the process.
        left = library.disarm()
        batch = pyarrow.RecordBatch._import_from_c(address, SCHEMA)
        library.arm(left, least)
        return batch

    return normalizer._plan.to_arrow(data, take, **options)

CALLS = {
    "to_ndjson": lambda n: n.to_ndjson(DATA),
    "threads": lambda n: n.to_ndjson(DATA * 40, threads=3),
    "to_arrow": lambda n: to_arrow(n, DATA),
    "to_arrow threads": lambda n: to_arrow(n, DATA * 40, threads=3),
    "to_dicts": lambda n: n.to_dicts(DATA),
    "iter_dicts": lambda n: list(n.iter_dicts(DATA)),
    "parse": parse,
    "stream": stream,
}
call, least, cold = CALLS[sys.argv[1]], int(sys.argv[2]), sys.argv[3] == "cold"
shared = Normalizer()
if "arrow" in sys.argv[1]:
    SCHEMA = shared.to_arrow(DATA).output.schema
expected = call(shared)
failures = n = 0
while True:
    n += 1
    # A new one has no workspace yet, so that making that fails too.
    normalizer = Normalizer() if cold else shared
    library.arm(n, least)
    try:
        result = call(normalizer)
    except MemoryError:
        left = library.disarm()
        failures += 1
        assert left == 0, "a MemoryError that was not asked for"
    else:
        left = library.disarm()
        assert result == expected, "a wrong result"
    assert call(normalizer) == expected, "not sound afterwards"
    if left or n == 2000:
        break
print(n, failures)
"""


@pytest.fixture(scope="module")
def failing_malloc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that makes allocations fail."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux") or SANITIZED:
        pytest.skip("needs a C compiler, glibc, and no sanitizer")
    library = tmp_path_factory.mktemp("failing") / "failing_malloc.so"
    source = Path(__file__).with_name("failing_malloc.c")
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the C compiler makes no library: {done.stderr[-200:]}")
    return library


@pytest.mark.parametrize("state", ["cold", "warm"])
@pytest.mark.parametrize(
    "writer", ["to_ndjson", "threads", "to_arrow", "to_arrow threads", "to_dicts", "iter_dicts", "parse", "stream"]
)
def test_conversion_when_any_allocation_fails_then_memory_error_or_the_right_result(
    failing_malloc: Path, writer: str, state: str
) -> None:
    if "arrow" in writer:
        pytest.importorskip("pyarrow")
    # Below 200 bytes most are the interpreter's own, and they are very many.
    done = run_python(FAIL, writer, "200", state, LD_PRELOAD=str(failing_malloc), PYTHONMALLOC="malloc")
    assert (done.returncode, done.stderr) == (0, "")
    tried, failures = map(int, done.stdout.split())
    # A thread that cannot be made is done without.
    assert 1 <= failures < tried


NO_MEMORY = """
import sys
import _testcapi
from cfdns_fast import Normalizer
GOOD = b'{"QueryName":"www.\\xc3\\xa9xample.com.","QueryType":1,"SourceIP":"192.0.2.7","Timestamp":1657233726}\\n'
DATA = GOOD + b'{"ColoCode":"\\\\u00e9"}{"QueryType":-1}' + GOOD + b"oops\\n"
normalizer = Normalizer()
call = {
    "to_ndjson": lambda: normalizer.to_ndjson(DATA),
    "to_dicts": lambda: normalizer.to_dicts(DATA),
    "iter_dicts": lambda: list(normalizer.iter_dicts(DATA)),
    "parse": lambda: normalizer._plan.parse(GOOD),
}[sys.argv[1]]
expected = call()
failures = 0
for n in range(5000):
    _testcapi.set_nomemory(n, n + 1)
    try:
        result = call()
    except MemoryError:
        _testcapi.remove_mem_hooks()
        failures += 1
    else:
        _testcapi.remove_mem_hooks()
        assert result == expected
        if n > failures + 50:
            break
    assert call() == expected
print(failures)
"""


@pytest.mark.parametrize("writer", ["to_ndjson", "to_dicts", "iter_dicts", "parse"])
def test_conversion_when_any_object_cannot_be_made_then_memory_error_or_the_right_result(writer: str) -> None:
    pytest.importorskip("_testcapi")
    done = run_python(NO_MEMORY, writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 3


# Memory that is given back


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


def abandon(normalizer: Normalizer, data: bytes) -> None:
    iterator = normalizer.iter_dicts(data)
    for _ in range(20):
        next(iterator)


def refuse(normalizer: Normalizer, data: bytes) -> None:
    with pytest.raises(RecordError):
        normalizer.to_dicts(data)


def stream_all(normalizer: Normalizer, data: bytes) -> None:
    stream = NdjsonStream(normalizer)
    stream.feed(data[:777])
    stream.feed(data[777:])
    stream.finish()


def fail_to_convert(normalizer: Normalizer, _data: bytes) -> None:
    with pytest.raises(TypeError):
        normalizer.to_ndjson("text")  # type: ignore[arg-type]


USES: dict[str, tuple[dict[str, Any], Callable[[Normalizer, bytes], Any]]] = {
    **{name: ({}, write) for name, write in WRITERS.items()},
    "ecs": ({"schema": "ecs"}, lambda normalizer, data: normalizer.to_dicts(data)),
    "lists": ({"dataset": "gateway_dns"}, lambda normalizer, data: normalizer.to_dicts(data)),
    "threads": ({}, lambda normalizer, data: normalizer.to_ndjson(data * 20, threads=2)),
    "an abandoned iterator": ({}, abandon),
    "a reject that is raised": ({"on_reject": "raise"}, refuse),
    "a stream": ({}, stream_all),
    "text instead of bytes": ({}, fail_to_convert),
    "a new normalizer": ({}, lambda _, data: Normalizer(max_record_bytes=1000).to_ndjson(data)),
}


@pytest.mark.skipif(SANITIZED or not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc")
@pytest.mark.parametrize("use", USES)
def test_memory_when_a_thousand_batches_are_converted_then_it_stays_flat(use: str) -> None:
    options, convert = USES[use]
    normalizer = Normalizer(**options)
    lists = b'{"ResolvedIPs":["192.0.2.1","x"],"RData":[{"type":"1","data":"x"}],"MatchedCategoryIDs":[1,2]}\n'
    data = (MIXED + b"\n" + lists) * 20
    for _ in range(200):
        convert(normalizer, data)
    gc.collect()
    grown = []
    # What malloc holds in reserve may grow once; a leak goes on.
    while len(grown) < 2 and min(grown, default=600_000) >= 600_000:
        before = resident_bytes()
        for _ in range(1000 * SOAK):
            convert(normalizer, data)
        gc.collect()
        grown.append(resident_bytes() - before)
    # A leak of one event a batch would be a megabyte or more.
    assert min(grown) < 600_000


@every_writer
def test_references_when_events_are_gone_then_nothing_holds_the_shared_objects(write: Any) -> None:
    normalizer = Normalizer()
    shared = ["dns_logs", "network", "NoError", True, False, None, "QueryName"]
    data = b'{"ResponseCode":0,"ResponseCached":true,"QueryName":"a.b.com","Timestamp":1}\n' * 500
    write(normalizer, data)
    event = next(normalizer.iter_dicts(data))
    watched = [event["event"]["dataset"], event["dns"]["response_code"], *event, *event["dns"]["question"], *shared]
    gc.collect()  # what earlier tests left must not go in between
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(3):
        write(normalizer, data)
    after = [sys.getrefcount(item) for item in watched]
    # None, True and False are counted by everybody else too.
    assert all(abs(b - a) < 50 for a, b in zip(before, after, strict=True))


# Memory that others change or take away


@every_writer
def test_writers_when_another_thread_changes_the_bytes_then_the_totals_add_up(write: Any) -> None:
    data = bytearray((MIXED + b"\n") * 2000)
    pick = random.Random(3)

    def scribble() -> None:
        data[pick.randrange(len(data))] = pick.choice(b'{}"\\\n x\xff')

    with running(scribble):
        for _ in range(5):
            result = write(Normalizer(), data)
            assert result.events == (
                len(result.output) if isinstance(result.output, list) else result.output.count(b"\n")
            )
            assert all(0 < len(reject.raw) <= reject.byte_length for reject in result.rejects)


def test_to_ndjson_when_another_thread_resizes_the_bytearray_then_that_is_refused_until_it_is_done() -> None:
    data = bytearray((MIXED + b"\n") * 2000)
    expected = Normalizer().to_ndjson(bytes(data))
    refused = 0

    def resize() -> None:
        nonlocal refused
        try:
            data.append(10)
            data.pop()
        except BufferError:
            refused += 1

    with running(resize):
        for _ in range(30):
            result = Normalizer().to_ndjson(data)
            # The resizer may have been between its two steps: a blank line more.
            assert (result.output, result.events) == (expected.output, expected.events)
    data += b"\n"
    assert refused > 0


def test_iter_dicts_when_the_buffer_dies_meanwhile_then_goes_on(tmp_path: Path) -> None:
    expected = Normalizer().to_dicts(MIXED).output
    view = memoryview(bytearray(MIXED))
    mapped = memory_mapped(MIXED, tmp_path)
    source = bytearray(MIXED)
    iterators = [Normalizer().iter_dicts(each) for each in (view, mapped, source)]
    view.release()
    mapped.close()
    source.clear()
    del view, mapped, source
    gc.collect()
    assert [list(iterator) for iterator in iterators] == [expected] * 3


def test_to_ndjson_when_done_or_refused_then_the_buffer_is_free_again(tmp_path: Path) -> None:
    mapped = memory_mapped(MIXED, tmp_path)
    source = bytearray(MIXED)
    view = memoryview(source)
    for data in (mapped, view):
        Normalizer().to_ndjson(data)
        Normalizer().to_ndjson(data, threads=2)
        Normalizer().to_dicts(data)
        for call in ("to_ndjson", "to_dicts"):
            with pytest.raises(RecordError):
                getattr(Normalizer(on_reject="raise"), call)(data)
        with pytest.raises(RecordError):
            Normalizer()._plan.parse(data)
    mapped.close()
    view.release()
    source.clear()
    with pytest.raises(ValueError, match="released"):
        Normalizer().to_ndjson(view)
    with pytest.raises(ValueError, match="closed"):
        Normalizer().to_ndjson(mapped)
