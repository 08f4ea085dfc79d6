"""What several test modules need."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import mmap
import os
import subprocess
import sys
import sysconfig
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

import cfdns_fast
from cfdns_fast import Normalizer, Result

T = TypeVar("T")
U = TypeVar("U")

GOOD = b'{"QueryName":"www.example.com.","QueryType":1,"SourceIP":"192.0.2.7","Timestamp":1657233726}\n'
#: Good, bad, blank and troubled lines in turn; the last line has no newline.
MIXED = GOOD + b"oops\n" + b'{"QueryType":-1}\n' + b" \r\n" + b'{"ColoCode":"AMS"}{"ColoCode":"CDG"}[1]\n' + GOOD + b"{"
#: How much of a reject `raw` keeps: the first 64 KiB.
RAW_LIMIT = 65536
#: Every field that schema "sekoia" reads.
FULL_RECORD = (
    b'{"ColoCode":"AMS","EDNSSubnet":"198.51.100.0","EDNSSubnetLength":24,"QueryName":"www.example.co.uk.","QueryType":28,'
    b'"ResponseCached":true,"ResponseCode":3,"SourceIP":"192.0.2.1","Timestamp":1657233726}'
)

#: Such a Python has an allocator of its own, which cannot be replaced and keeps what was freed.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

#: The process's size says nothing then, and no other library can take malloc's place.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


def record(number: int) -> bytes:
    """Return a line whose name holds a number."""
    return b'{"QueryName":"n%d.example.com","Timestamp":1653557034}\n' % number


def records(count: int) -> bytes:
    return b"".join(map(record, range(count)))


def numbers(output: bytes) -> list[int]:
    """Return the numbers of the records that became these events."""
    return [int(json.loads(line)["dns"]["question"]["name"][1:].split(".")[0]) for line in output.split(b"\n")[:-1]]


@contextmanager
def running(function: Callable[[], object]) -> Iterator[None]:
    """Run a function again and again on another thread until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            function()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def consume(iterator: Any) -> Result[list[dict[str, Any]]]:
    """Return what an iterator of `iter_dicts` gives, as the Result that `to_dicts` would give."""
    output = list(iterator)
    return Result(output, iterator.events, iterator.blank, tuple(iterator.rejects), dict(iterator.problems))


def time_text(ns: int, nine_digits: bool) -> str:
    """Return nanoseconds since 1970 as the text that events hold."""
    seconds, fraction_ns = divmod(ns, 10**9)
    text = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    if nine_digits:
        return f"{text}.{fraction_ns:09}Z"
    return f"{text}.{fraction_ns // 1000:06}Z" if fraction_ns >= 1000 else f"{text}Z"


def events_of(batch: Any, nine_digits: Any = ()) -> list[dict[str, Any]]:
    """Return the events in an Arrow batch; `nine_digits` names the columns of timestamps that have so many as text."""
    events: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        is_time = "timestamp" in str(column.type)
        if is_time:
            # Not as Python times: they have no nanoseconds.
            column = column.cast(_without_times(column.type))
        *parents, leaf = name.split(".")
        for event, value in zip(events, column.to_pylist(), strict=True):
            if value is None:
                continue
            node = event
            for key in parents:
                node = node.setdefault(key, {})
            if isinstance(value, list):
                items = [_present(item) for item in value]
                node[leaf] = [time_text(item, name in nine_digits) for item in items] if is_time else items
            else:
                node[leaf] = time_text(value, name in nine_digits) if is_time else value
    return events


def _without_times(kind: Any) -> Any:
    import pyarrow

    return pyarrow.list_(pyarrow.int64()) if pyarrow.types.is_list(kind) else pyarrow.int64()


def _present(item: Any) -> Any:
    return {key: value for key, value in item.items() if value is not None} if isinstance(item, dict) else item


def to_arrow_and_back(normalizer: Normalizer, data: Any, **options: Any) -> Result[list[dict[str, Any]]]:
    """Return what `to_arrow` gives, as the Result that `to_dicts` would give."""
    result = normalizer.to_arrow(data, **options)
    result.output.validate(full=True)
    return replace(result, output=events_of(result.output))


WRITERS: dict[str, Callable[[Normalizer, Any], Any]] = {
    "to_ndjson": lambda normalizer, data: normalizer.to_ndjson(data),
    "to_dicts": lambda normalizer, data: normalizer.to_dicts(data),
    "iter_dicts": lambda normalizer, data: consume(normalizer.iter_dicts(data)),
}
if find_spec("pyarrow") is not None:
    WRITERS["to_arrow"] = to_arrow_and_back

every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def _foreign() -> dict[str, bytes]:
    text = b'{"QueryName":"www.example.com","Timestamp":1}\n' * 3
    data = {
        "format.gzip": gzip.compress(text),
        "format.xz": lzma.compress(text),
        "format.bzip2": bz2.compress(text),
        "format.zlib": zlib.compress(text),
        # Of the text "a" with a newline.
        "format.zstd": bytes.fromhex("28b52ffd0458110000610a55c8cc1e"),
        "format.lz4": bytes.fromhex("04224d186440a702000080610a0000000085954d99"),
        "format.snappy": bytes.fromhex("ff060000734e61507059010600007bd19d04610a"),
        "format.parquet": b"PAR1\x15\x04\x15\x10\x15\x14",
        "format.avro": b"Obj\x01\x04\x14avro.codec",
        "format.utf16": b"\xff\xfe" + text.decode().encode("utf-16-le"),
        "format.utf32": b"\0\0\xfe\xff" + text.decode().encode("utf-32-be"),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("a.ndjson"), text)
    return {**data, "format.zip": archive.getvalue()}


#: By code: the beginning of an input in a format that is not read.
FOREIGN = _foreign()


def containers(value: Any) -> Iterator[Any]:
    """Give every dict and list within a value, itself included."""
    if isinstance(value, (dict, list)):
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from containers(child)


def memory_mapped(data: bytes, folder: Path) -> mmap.mmap:
    """Write data to a file and map it."""
    (folder / "input").write_bytes(data)
    with open(folder / "input", "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def run_python(
    code: str, *arguments: str, stdin: Any = None, input: bytes | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own that finds this package and these modules; None unsets a variable.

    Arguments stand in sys.argv from its second place on; the first is "-c".
    """
    folders = [str(Path(cfdns_fast.__file__).parents[1]), str(Path(__file__).parent), *filter(None, sys.path)]
    wanted = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), **environment}
    env = {name: value for name, value in wanted.items() if value is not None}
    source = {"stdin": stdin} if input is None else {"input": input.decode("utf-8")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, **source)


def write_mapping(folder: Path, text: str, name: str = "my.toml") -> Path:
    """Write a mapping file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def field(**entry: Any) -> str:
    """Return a [[field]] entry."""
    return "[[field]]\n" + "".join(f"{toml(key)} = {toml(value)}\n" for key, value in entry.items())


def toml(value: Any) -> str:
    """Return JSON text of a scalar or list, which is TOML too but for surrogates and a raw DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def event_of(implementation: Any, data: bytes, schema: Any, **options: Any) -> dict[str, Any]:
    """Convert one record and check that all writers agree on its event."""
    # Not at the top: it reads all golden cases, which the programs that import this module seldom need.
    from golden import flatten

    (event,) = implementation.to_dicts(data, schema, **options).output
    line = implementation.to_ndjson(data, schema, **options).output
    assert line == json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if implementation.name == "native":
        (built,) = Normalizer(schema, **options).iter_dicts(data)
        assert list(flatten(built).items()) == list(flatten(event).items())
    if not options:
        parsed = implementation.parse(data, schema)
        assert list(flatten(parsed).items()) == list(flatten(event).items())
    return event


def at_once(function: Callable[[T], U], arguments: Sequence[T]) -> list[U]:
    """Call it with each argument, all on threads of their own at the same time."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))
