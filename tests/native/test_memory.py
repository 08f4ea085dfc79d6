"""Failed allocations, released memory, and input that changes or is freed during a conversion."""

from __future__ import annotations

import ctypes
import gc
import gzip
import mmap
import os
import platform
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from native.allocation_failures import CALLS
from support.feeding import feed
from support.processes import FREE_THREADED, SANITIZED, run_python, running
from support.records import FULL_RECORD, MIXED, memory_mapped
from support.writers import WRITERS, every_writer

from cfdns_fast import Normalizer, RecordError

#: CFDNS_SOAK=N multiplies the work by N; README.md names it.
SOAK = int(os.environ.get("CFDNS_SOAK", "1"))

# Failed allocations


@pytest.fixture(scope="module")
def failing_malloc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that makes allocations fail."""
    compiler = shutil.which("cc")
    if compiler is None or platform.libc_ver()[0] != "glibc" or SANITIZED or FREE_THREADED:
        pytest.skip("needs a C compiler, glibc, no sanitizer, and a Python that uses malloc")
    library = tmp_path_factory.mktemp("failing") / "failing_malloc.so"
    source = Path(__file__).with_name("failing_malloc.c")
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the C compiler makes no library: {done.stderr[-200:]}")
    return library


#: The calls of a quick run, warm and with the interpreter's own allocator. The other calls together are slow.
QUICK_CALLS = ("to_ndjson", "to_dicts", "stream")


# With malloc, allocations of 200 bytes or more fail, because the interpreter makes too many smaller ones. With
# pymalloc, allocations of any size fail, except those that pymalloc serves.
@pytest.mark.parametrize(
    ("call", "state", "min_bytes", "allocator"),
    [
        pytest.param(
            *(call, state, min_bytes, allocator),
            marks=[] if call in QUICK_CALLS and (state, allocator) == ("warm", "pymalloc") else pytest.mark.slow,
        )
        for call in CALLS
        for state in ("cold", "warm")
        for min_bytes, allocator in (("200", "malloc"), ("1", "pymalloc"))
    ],
)
def test_failed_allocation_raises_memory_error(
    failing_malloc: Path, call: str, state: str, min_bytes: str, allocator: str
) -> None:
    """A conversion that ends without an error has the right result."""
    if "arrow" in call:
        pytest.importorskip("pyarrow")
    if call == "make" and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("this Python crashes without memory for a dict with tuples as keys")
    program = Path(__file__).with_name("allocation_failures.py").read_text(encoding="utf-8")
    preload = {"LD_PRELOAD": str(failing_malloc), "PYTHONMALLOC": allocator}
    done = run_python(program, call, min_bytes, state, **preload)
    assert (done.returncode, done.stderr) == (0, "")
    tried, failures = map(int, done.stdout.split())
    # A conversion succeeds without a thread that cannot start, and a warm parse() allocates only the event.
    assert failures < tried
    assert failures > 0 or (call, state) == ("parse", "warm")


# C++ needs a few bytes when a thread throws for the first time, and glibc ends the process if it cannot allocate them.
# The interpreter can still make its own objects here.
@pytest.mark.slow
@pytest.mark.parametrize("state", ["cold", "warm"])
@pytest.mark.parametrize("call", ["in a new thread", "threads", "rejects"])
def test_exhausted_memory_raises_memory_error(failing_malloc: Path, call: str, state: str) -> None:
    program = Path(__file__).with_name("allocation_failures.py").read_text(encoding="utf-8")
    preload = {"LD_PRELOAD": str(failing_malloc), "PYTHONMALLOC": "pymalloc"}
    done = run_python(program, call, "1", state, "exhaust", **preload)
    assert (done.returncode, done.stderr) == (0, "")
    tried, failures = map(int, done.stdout.split())
    assert 0 < failures < tried


FIRST_CALL = """
import ctypes, threading
from cfdns_fast import Normalizer
library = ctypes.CDLL(None)
normalizer, found = Normalizer(), []

def convert():
    library.exhaust(1)
    library.arm(ctypes.c_long(1), ctypes.c_size_t(1))
    try:
        normalizer.to_ndjson(b"{}" * 3000)
    except MemoryError as error:
        found.append(error)
    finally:
        library.disarm()

thread = threading.Thread(target=convert)
thread.start()
thread.join()
print(len(found), normalizer.to_ndjson(b"{}").events)
"""


def test_first_call_of_a_thread_raises_memory_error(failing_malloc: Path) -> None:
    done = run_python(FIRST_CALL, LD_PRELOAD=str(failing_malloc), PYTHONMALLOC="pymalloc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1\n", "")


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
    "iter_dicts": lambda: list(normalizer.iter_dicts(DATA * 3)),
    "a loop": lambda: [repr(event) for event in normalizer.iter_dicts(DATA * 3)],
    "parse": lambda: normalizer._converter.parse(GOOD),
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


@pytest.mark.parametrize("writer", ["to_ndjson", "to_dicts", "iter_dicts", "a loop", "parse"])
def test_failed_object_creation_raises_memory_error(writer: str) -> None:
    """A conversion that ends without an error has the right result."""
    pytest.importorskip("_testcapi")
    done = run_python(NO_MEMORY, writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 3


# Released memory


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


def settled_bytes() -> int:
    gc.collect()
    # The C library may keep freed memory.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
    return resident_bytes()


def loop(normalizer: Normalizer, data: bytes) -> list[str]:
    messages = []
    for event in normalizer.iter_dicts(data):
        messages.append(event.get("message", ""))
        event.pop(("source", "related", "new")[len(messages) % 3], None)
        event["witness"] = [event]
    return messages


def abandon(normalizer: Normalizer, data: bytes) -> None:
    iterator = normalizer.iter_dicts(data)
    for _ in range(20):
        next(iterator)


def raise_reject(normalizer: Normalizer, data: bytes) -> None:
    with pytest.raises(RecordError):
        normalizer.to_dicts(data)


def stream_all(normalizer: Normalizer, data: bytes) -> None:
    stream = normalizer.stream()
    feed(stream, data, [777, len(data)])


def fail_to_convert(normalizer: Normalizer, _data: bytes) -> None:
    with pytest.raises(TypeError):
        normalizer.to_ndjson("text")  # type: ignore[arg-type]


USES: dict[str, tuple[dict[str, Any], Callable[[Normalizer, bytes], Any]]] = {
    **{name: ({}, write) for name, write in WRITERS.items()},
    "ecs": ({"schema": "ecs"}, lambda normalizer, data: normalizer.to_dicts(data)),
    "lists": ({"dataset": "gateway_dns"}, lambda normalizer, data: normalizer.to_dicts(data)),
    "threads": ({}, lambda normalizer, data: normalizer.to_ndjson(data * 20, threads=2)),
    "a loop that changes events": ({}, loop),
    "an abandoned iterator": ({}, abandon),
    "a reject that is raised": ({"on_reject": "raise"}, raise_reject),
    "a stream": ({}, stream_all),
    "text instead of bytes": ({}, fail_to_convert),
    "a new normalizer": ({}, lambda _, data: Normalizer(max_record_bytes=1000).to_ndjson(data)),
}


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED or not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc")
@pytest.mark.parametrize("use", USES)
def test_memory_stays_flat_over_a_thousand_batches(use: str) -> None:
    options, convert = USES[use]
    normalizer = Normalizer(**options)
    lists = b'{"ResolvedIPs":["192.0.2.1","x"],"RData":[{"type":"1","data":"x"}],"MatchedCategoryIDs":[1,2]}\n'
    data = (MIXED + b"\n" + lists) * 20
    for _ in range(200):
        convert(normalizer, data)
    gc.collect()
    grown = []
    # The reserve of malloc may grow once, but a leak grows each time.
    while len(grown) < 2 and min(grown, default=600_000) >= 600_000:
        before = resident_bytes()
        for _ in range(1000 * SOAK):
            convert(normalizer, data)
        gc.collect()
        grown.append(resident_bytes() - before)
    # A leak of one event per batch would be a megabyte or more.
    assert min(grown) < 600_000


HUGE: dict[str, tuple[dict[str, Any], bytes]] = {
    "a long text": ({}, b'{"ColoCode":"' + b"x\\u00e9" * 2_000_000 + b'"}'),
    "a long text that no field reads": ({}, b'{"x":"' + b"x\\u00e9" * 2_000_000 + b'"}'),
    "a long list": ({"dataset": "gateway_dns"}, b'{"ResolvedIPs":[' + b'"192.0.2.1",' * 1_000_000 + b'"192.0.2.2"]}'),
    "a long reject": ({}, b'{"x":"' + b"x\\u00e9" * 2_000_000),
}


@pytest.mark.skipif(
    SANITIZED or FREE_THREADED or not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc"
)
@pytest.mark.parametrize("record", HUGE)
def test_memory_of_a_huge_record_is_released(record: str) -> None:
    options, data = HUGE[record]
    normalizer = Normalizer(max_record_bytes=2**26, **options)
    normalizer.to_ndjson(MIXED)
    before = settled_bytes()
    normalizer.to_ndjson(data)
    assert settled_bytes() - before < 4_000_000


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED or sys.platform != "linux", reason="reads the process's size from the kernel")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_compressed_stream_stays_below_100_mb(threads: str) -> None:
    # One member of 12.5 MB of plain text, repeated: 100 MB in all, and 5 GB with CFDNS_SOAK=50.
    members = 8 * SOAK
    record = b'{"QueryName":"n%06d.example.com","QueryType":1,"SourceIP":"192.0.2.1","Timestamp":1657233726004000000}\n'
    member = gzip.compress(b"".join(record % number for number in range(120_000)), 1)
    code = """
import re, sys
from cfdns_fast.cli.app import main
try:
    main(["convert", "-", "-o", "/dev/null", "--threads", sys.argv[1]])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""
    reading, writing = os.pipe()

    def feed() -> None:
        with open(writing, "wb") as pipe:
            for _ in range(members):
                pipe.write(member)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(reading, "rb") as pipe:
        done = run_python(code, threads, stdin=pipe)
    feeder.join()
    summary, kilobytes = done.stderr.splitlines()
    assert (done.returncode, f"events {120_000 * members}, " in summary) == (0, True)
    assert int(kilobytes) < 100_000


REJECTS_OF_4_MB = """
import re, sys
from cfdns_fast import Normalizer

def size_bytes(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

def iterate(data):
    iterator = normalizer.iter_dicts(data)
    for _ in iterator:
        pass
    return iterator

input_format, call = sys.argv[1:]
normalizer = Normalizer(input_format=input_format)
convert = {
    "to_ndjson": normalizer.to_ndjson,
    "threads": lambda data: normalizer.to_ndjson(data, threads=4),
    "to_dicts": normalizer.to_dicts,
    "iter_dicts": iterate,
    "to_arrow": normalizer.to_arrow,
    "to_arrow threads": lambda data: normalizer.to_arrow(data, threads=4),
}[call]
data = b"x\\n" * 2_000_000
if input_format == "csv":
    data = b"QueryName,ColoCode\\n" + data[: len(data) // 4]
# The threads keep their workspaces, and the C library keeps some freed memory.
convert(b'{"QueryName":"www.example.com"}\\n' * 40_000 if input_format == "ndjson" else data[:1000])
before = size_bytes("VmRSS")
rejects = convert(data).rejects
print(size_bytes("VmRSS") - before, size_bytes("VmHWM") - before, len(data) + 32 * len(rejects), len(rejects))
"""


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED or sys.platform != "linux", reason="reads the process's size from the kernel")
@pytest.mark.parametrize(
    ("input_format", "call"),
    [("ndjson", call) for call in ("to_ndjson", "threads", "to_dicts", "iter_dicts", "to_arrow", "to_arrow threads")]
    + [("csv", call) for call in ("to_ndjson", "iter_dicts")],
)
def test_tiny_rejects_take_32_bytes_each(input_format: str, call: str) -> None:
    if "arrow" in call:
        pytest.importorskip("pyarrow")
    done = run_python(REJECTS_OF_4_MB, input_format, call)
    assert (done.returncode, done.stderr) == (0, "")
    kept_bytes, peak_bytes, limit_bytes, rejects = map(int, done.stdout.split())
    assert rejects == (2_000_000 if input_format == "ndjson" else 500_000)
    # Each thread has 2 MB of rejects before they are joined, and the C library keeps some of this memory.
    # One object per reject would take more than 200 bytes each.
    assert kept_bytes < limit_bytes + (11_000_000 if "threads" in call else 3_000_000)
    assert peak_bytes < limit_bytes + 16_000_000


TINY: dict[str, tuple[bytes, bytes, list[str]]] = {
    "lines that are rejects": (b"", b"x\n", ["--input-format", "ndjson"]),
    "pieces between delimiters": (b"", b"x|", ["--input-format", "ndjson", "--record-delimiter", "|"]),
    "empty objects in a line": (b"", b"{}", ["--input-format", "ndjson"]),
    "lines of both kinds": (b"", b"{}\nx\n", ["--input-format", "ndjson"]),
    "elements of a document": (b"[1\n", b",1\n", ["--input-format", "json"]),
    "documents on lines": (b"{}\n", b"x\n", ["--input-format", "json"]),
    "rows": (b"QueryName,ColoCode\n", b"x\n", ["--input-format", "csv"]),
}

CONVERT = """
import re, sys
from cfdns_fast.cli.app import main
try:
    outputs = ["-o", "/dev/null", "--rejects", "/dev/null"]
    main(["convert", *outputs, "--threads", "16", "--fail-on", "none", *sys.argv[1:]])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED or sys.platform != "linux", reason="reads the process's size from the kernel")
@pytest.mark.parametrize("kind", TINY)
def test_tiny_records_take_less_than_100_mb(kind: str, tmp_path: Path) -> None:
    first, unit, options = TINY[kind]
    # The input is larger than the share of all threads, and its first records make each thread use its buffers.
    filled = FULL_RECORD + b"\n" if options[1] == "ndjson" and not first else b""
    path = tmp_path / "input"
    path.write_bytes(first + filled * (4_000_000 // max(len(filled), 1)) + unit * (3_000_000 // len(unit)) * SOAK)
    done = run_python(CONVERT, str(path), *options)
    assert done.returncode == 0
    assert int(done.stderr.splitlines()[-1]) < 100_000


@pytest.mark.parametrize("write", [*WRITERS.values(), loop], ids=[*WRITERS, "a loop"])
def test_shared_objects_keep_their_reference_counts(write: Any) -> None:
    normalizer = Normalizer()
    shared = ["dns_logs", "network", "NoError", True, False, None, "QueryName"]
    data = b'{"ResponseCode":0,"ResponseCached":true,"QueryName":"a.b.com","Timestamp":1}\n' * 500
    write(normalizer, data)
    event = next(normalizer.iter_dicts(data))
    watched = [event["event"]["dataset"], event["dns"]["response_code"], *event, *event["dns"]["question"], *shared]
    gc.collect()  # so that no garbage of earlier tests is freed in between
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(3):
        write(normalizer, data)
    gc.collect()
    after = [sys.getrefcount(item) for item in watched]
    # Other code changes the reference counts of None, True and False too.
    assert all(abs(b - a) < 50 for a, b in zip(before, after, strict=True))


# Input that changes or is freed during a conversion


@every_writer
def test_totals_add_up_while_the_input_changes(write: Any) -> None:
    """Another thread writes to the input during the conversion."""
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


def test_input_cannot_be_resized_during_conversion() -> None:
    """Another thread that resizes the bytearray gets a BufferError."""
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
            # The other thread may be between its two steps, which adds a blank line.
            assert (result.output, result.events) == (expected.output, expected.events)
    data += b"\n"
    assert refused > 0


def test_iter_dicts_outlives_its_buffer(tmp_path: Path) -> None:
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


def test_conversion_releases_buffers_after_errors(tmp_path: Path) -> None:
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
            Normalizer()._converter.parse(data)
    mapped.close()
    view.release()
    source.clear()
    with pytest.raises(ValueError, match="released"):
        Normalizer().to_ndjson(view)
    with pytest.raises(ValueError, match="closed"):
        Normalizer().to_ndjson(mapped)
