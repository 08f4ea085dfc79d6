"""Trees of Logpush's objects for the directory mode, what its outputs hold, and processes to kill."""

from __future__ import annotations

import contextlib
import glob
import gzip
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cfdns_fast
from cfdns_fast.files import Store, open_store

__all__ = ["Children", "content_hash", "fill", "messages_of", "object_name", "object_of", "put_tree"]

_START = datetime(2026, 8, 25, 22, tzinfo=UTC)
_MINUTES = 20


def object_name(number: int) -> str:
    """Return the key of an object: three in an hour, from 22:00, so that a tree has two days."""
    start = _START + timedelta(minutes=_MINUTES * number)
    end = start + timedelta(minutes=_MINUTES)
    digest = hashlib.sha1(str(number).encode()).hexdigest()[:8]
    return f"{start:%Y%m%d}/{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}_{digest}.log.gz"


def records_of(number: int, records: int) -> list[bytes]:
    """Return the lines of an object; the events of every tenth one are of the hour before."""
    start = _START + timedelta(minutes=_MINUTES * number)
    lines = []
    for index in range(records):
        time = start + timedelta(seconds=index) - timedelta(hours=1 if index % 10 == 9 else 0)
        record = {
            "ColoCode": "CDG",
            "QueryName": f"n{number}-{index}.example.com.",
            "QueryType": 1,
            "ResponseCode": index % 4,
            "SourceIP": f"192.0.2.{index % 250}",
            "Timestamp": int(time.timestamp()) * 10**9 + index,
        }
        lines.append(json.dumps(record, separators=(",", ":")).encode())
    return lines


def object_of(number: int, records: int = 20) -> bytes:
    """Return the content of an object."""
    return gzip.compress(b"\n".join(records_of(number, records)) + b"\n", 1)


def fill(folder: Path, numbers: Iterable[int], records: int = 20) -> None:
    """Write objects as files."""
    for number in numbers:
        path = folder / object_name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(object_of(number, records))


def put_tree(url: str, numbers: Iterable[int], records: int = 20) -> None:
    """Write objects to a bucket."""
    store = open_store(url)
    for number in numbers:
        store.put(object_name(number), object_of(number, records))


def messages_of(output: Path | Store, pattern: str = "**/*.parquet") -> list[str]:
    """Return the records in all Parquet files, as a reader that lists the output finds them; each must be readable."""
    import pyarrow
    import pyarrow.parquet

    if isinstance(output, Path):
        # Without hidden names, as all readers do it.
        contents = [Path(name).read_bytes() for name in sorted(glob.glob(f"{output}/{pattern}", recursive=True))]
    else:
        contents = [output.read(entry.key) for entry in output.list() if entry.key.endswith(".parquet")]
    found: list[str] = []
    for content in contents:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content), columns=["message"])
        found += table.column("message").to_pylist()
    return found


def content_hash(messages: Iterable[str]) -> str:
    """Return a hash of records that does not depend on their order."""
    return hashlib.sha256("\n".join(sorted(messages)).encode()).hexdigest()


class Children:
    """A process that imports the package once, and forks a child for each conversion, so that kills are fast.

    It uses no object store itself, because these do not survive a fork.

    Parameters
    ----------
    isolates : bool
        Whether tasks run in processes of their own from the third attempt on, which takes long.
    environment : str
        Further variables.
    """

    def __init__(self, *, isolates: bool = False, **environment: str) -> None:
        folders = [str(Path(cfdns_fast.__file__).parents[1]), str(Path(__file__).parents[1]), *filter(None, sys.path)]
        env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(folders)}
        command = [sys.executable, "-P", "-c", f"from support.backfills import serve; serve({isolates})"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)

    def start(self, kill_at: int = 0, delay_s: float = 0.0, **options: Any) -> int:
        """Start a conversion, and return the id of its process.

        Parameters
        ----------
        kill_at : int
            The process is killed at this call of a method of a store, counted from 1; not at all if it is 0.
        delay_s : float
            The time from the beginning of that call to the kill, so that the call may end or not.
        options : object
            Of `convert`.
        """
        return int(self._ask({"start": options, "kill_at": kill_at, "delay_s": delay_s}))

    def wait(self, process: int) -> int:
        """Wait for a conversion, and return its exit code: 0 complete, 1 not, negative for a signal."""
        return int(self._ask({"wait": process}))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextlib.contextmanager
def children(*, isolates: bool = False, **environment: str) -> Iterator[Children]:
    """A `Children` that ends with the block."""
    made = Children(isolates=isolates, **environment)
    try:
        yield made
    finally:
        made.close()


def serve(isolates: bool) -> None:
    """Serve `Children`."""
    import pyarrow.parquet  # noqa: F401

    import cfdns_fast.files.backfill
    import cfdns_fast.files.task_outputs
    from cfdns_fast import Normalizer

    Normalizer()
    if not isolates:
        cfdns_fast.files.attempts.ISOLATED_ATTEMPT = 1 << 30
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                _kill_at(request["kill_at"], request["delay_s"])
                _convert(request["start"])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _kill_at(call: int, delay_s: float) -> None:
    """Kill this process at a call of a method of a store. A random time would mostly fall into the start of a run."""
    from cfdns_fast.files.local_store import LocalStore

    stores: list[type] = [LocalStore]
    with contextlib.suppress(ImportError):
        from cfdns_fast.files.object_store import ObjectStore

        stores.append(ObjectStore)
    calls = itertools.count(1)

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call_it(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                if not delay_s:
                    os.kill(os.getpid(), signal.SIGKILL)
                threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return function(*arguments, **options)

        return call_it

    for store in stores:
        for name in ("list", "open", "read", "size", "create", "put", "put_file", "temporary", "delete"):
            setattr(store, name, killing(getattr(store, name)))


def _convert(options: dict[str, Any]) -> None:
    code = 2
    try:
        report = cfdns_fast.files.backfill.convert(**options)
        code = 0 if report.is_complete else 1
        if code:
            print(report, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
