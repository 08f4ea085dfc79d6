"""A receiver without HTTP, in which the process ends at a chosen change of a file; a program for `end_at_step.c`.

Each run is a process of its own, and stores batches while two sinks deliver: one of files, and one that commits after
each batch and shows events at once. It ends at its step, and a second run goes on in the same state folder. Then all
that was acknowledged is looked for. The program prints one line for each fault, and at the end the number of runs.
"""

from __future__ import annotations

import base64
import ctypes
import gzip
import json
import logging
import os
import re
import shutil
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from support.spool import Writer, gzip_arrival

from cfdns_fast.receiver.delivery import Delivery, Room
from cfdns_fast.receiver.lines import LineFiles
from cfdns_fast.receiver.pieces import Converter
from cfdns_fast.receiver.settings import SinkSettings
from cfdns_fast.sinks import Counters, Pending, Piece, SinkContext, open_sink
from cfdns_fast.spool import Arrival, Batch, Cursor, SpoolReader, StateFolder
from cfdns_fast.spool import writer as writer_module

ENDED = 77
ROUNDS, BATCHES, RECORDS = 4, 3, 4
#: Each commit fills a segment, and a file of the sink holds one or two batches.
SEGMENT_BYTES = 1
URL = "file://{}/out/?rotate_bytes=1KiB&format=ndjson"


def arrival(number: int) -> Arrival:
    """Return a batch with events and rejects; each third one has rejects only."""
    names = range(number * 100, number * 100 + RECORDS)
    padding = number.to_bytes(4, "big").hex().encode() * 700
    lines = [b"bad %d %b\n" % (number * 100 + 99, padding)]
    if number % 3:
        lines += [b'{"QueryName":"n%d.example.com","Timestamp":1767225600}\n' % name for name in names]
    return gzip_arrival(b"".join(reversed(lines)))._replace(decoded_bytes=5000)


def expected(number: int) -> tuple[set[int], set[int]]:
    """Return the numbers of the events and of the rejects of a batch."""
    return set(range(number * 100, number * 100 + RECORDS)) if number % 3 else set(), {number * 100 + 99}


class AppendSink:
    """Appends events to a file, and shows them at once; events can come twice."""

    wants = "ndjson"

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._last = self._committed = 0

    def recover(self, pending: Pending) -> bool:
        return False

    def write(self, piece: Piece) -> None:
        os.write(self._file, piece.data)
        self._last = piece.seq if piece.is_last else self._last

    def is_due(self) -> bool:
        return self._last > self._committed

    def commit(self, store: Callable[[Pending], object], *, final: bool = False) -> int:
        self._committed = self._last
        return self._committed

    def close(self) -> None:
        os.close(self._file)


class UntilEnd:
    """Ends the delivery after the last batch."""

    def __init__(self, reader: SpoolReader, ending: threading.Event) -> None:
        self._reader = reader
        self._ending = ending

    def next(self, timeout_s: float) -> Batch | None:
        batch = self._reader.next(0)
        if batch is None:
            self._ending.set()
        return batch


def deliver(folder: Path, state: StateFolder, name: str) -> None:
    ending, stop, counters = threading.Event(), threading.Event(), Counters()
    rejects, dead = (LineFiles(each, 1 << 30) for each in (state.rejects(name), state.dead(name)))
    room = Room(
        name=name,
        counters=counters,
        rejects=rejects,
        dead_letters=dead,
        ending=ending,
        stop=stop,
        has_request=lambda: False,
        say=lambda level, text: None,
    )
    context = SinkContext(name, stop, counters, lambda *_: None, print, state.temporary(name))
    with (
        state.lock_sink(name),
        closing(rejects),
        closing(open_sink(URL.format(folder), context) if name == "files" else AppendSink(folder / "appended")) as sink,
        closing(Converter(SinkSettings(name=name, url="-"), "ndjson", context.folder)) as converter,
    ):
        cursor = Cursor(state, name)
        with closing(SpoolReader(state, cursor.after)) as reader:
            Delivery(sink, UntilEnd(reader, ending), cursor, converter, room).run()


def run(folder: Path, first: int, rounds: int) -> None:
    """Store and deliver; the numbers of submitted and of acknowledged batches are in files."""
    state = StateFolder(folder / "state")
    state.prepare()
    opened = Writer(state, segment_bytes=SEGMENT_BYTES, sink_names=["files", "append"])
    with (folder / "submitted").open("a") as submitted, (folder / "acknowledged").open("a") as acknowledged:
        for number in range(rounds):
            wanted = range(first + number * BATCHES, first + (number + 1) * BATCHES)
            print(*wanted, file=submitted, flush=True)
            outcomes = opened.store([arrival(each) for each in wanted])
            print(*(n for n, o in zip(wanted, outcomes, strict=True) if o.seq), file=acknowledged, flush=True)
            deliver(folder, state, "files")
            if number % 2 or number == rounds - 1:
                deliver(folder, state, "append")
            time.sleep(0.02)  # for the thread that closes segments
    opened.spool.close()


def in_process(action: Callable[[], None]) -> int:
    """Run in a process of its own, and return its exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 1
    try:
        action()
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(code)


def faults(folder: Path) -> Iterator[str]:
    """Yield what is lost or comes twice."""
    acknowledged, submitted = (
        {int(each) for each in (folder / name).read_text().split()} if (folder / name).exists() else set()
        for name in ("acknowledged", "submitted")
    )
    files = _events(b"".join(path.read_bytes() for path in sorted((folder / "out").rglob("[!.]*.ndjson"))))
    appended = _events((folder / "appended").read_bytes())
    rejects = {name: _rejects(folder / "state" / "rejects" / name) for name in ("files", "append")}
    for number in sorted(submitted):
        events, bad = expected(number)
        is_acknowledged = number in acknowledged
        if any(files[each] > 1 or (is_acknowledged and not files[each]) for each in events):
            yield f"batch {number} is not once in the files"
        if is_acknowledged and any(not appended[each] for each in events):
            yield f"batch {number} is not appended"
        for name, found in rejects.items():
            if is_acknowledged and any(not found[each] for each in bad):
                yield f"rejects of batch {number} are lost for {name}"
    yield from (f"{path} remains" for path in (folder / "out").rglob(".*.tmp"))
    yield from (f"{path} is corrupt" for path in (folder / "state" / "corrupt").iterdir())


def _events(data: bytes) -> Counter[int]:
    return Counter(int(json.loads(line)["dns"]["question"]["name"].split(".")[0][1:]) for line in data.splitlines())


def _rejects(folder: Path) -> Counter[int]:
    found: Counter[int] = Counter()
    for line in b"".join(path.read_bytes() for path in folder.glob("[0-9]*.ndjson")).splitlines():
        members: dict[str, Any] = json.loads(line)
        raw = members.get("raw", "").encode() or gzip.decompress(base64.b64decode(members["gzip_base64"]))
        found.update(int(each) for each in re.findall(rb"bad ([0-9]+)", raw))
    return found


def main(folder: Path, every: int, first: int) -> None:
    """Do the runs that end at step `first` and each `every` steps after it, until a run comes to its end."""
    logging.disable(logging.CRITICAL)
    writer_module._TICK_S = 0.01
    library = ctypes.CDLL(None)
    code, step, runs = ENDED, first, 0
    while code == ENDED:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

        def ending(step: int = step) -> None:
            library.end_at(step)
            run(folder, 1, ROUNDS)

        code = in_process(ending)
        codes = (code, in_process(lambda: run(folder, 1001, 1)))
        if codes[0] not in (ENDED, 0) or codes[1] != 0:
            print(f"step {step}: exit codes {codes}")
        for fault in faults(folder):
            print(f"step {step}: {fault}")
        step += every
        runs += 1
    print(f"{runs} runs")
