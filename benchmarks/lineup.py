"""The contenders of a run: libraries, tasks and corpora."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from . import corpus, floor, machine, parallel, peers
from .answers import TOLERATED_SHARE, Expected, arrow_events, differing_events, differing_rows, expected
from .preparation import fill
from .timing import Contender

NDJSON = "NDJSON to NDJSON"
NDJSON_NAMES_KNOWN = "NDJSON to NDJSON, every name in the peer's cache"
NDJSON_WITHOUT_MESSAGE = "NDJSON to NDJSON, without message"
NDJSON_BATCHES = "NDJSON to NDJSON, 1,000-record batches"
DICTS_ONE_BY_ONE = "NDJSON to dicts, one by one"
DICTS_KEPT = "NDJSON to dicts, one by one, of which the last hundred are kept"
DICTS_READ = "NDJSON to dicts, one by one, of which one field is read"
DICTS_SERIALISED = "NDJSON to dicts, one by one, which orjson serialises"
DICTS_LIST = "NDJSON to dicts, lists of 1,000"
ARROW = "NDJSON to Arrow"
ARROW_BATCHES = "NDJSON to Arrow, 1,000-record batches"
NDJSON_DETECTING = "NDJSON to NDJSON, with detection"
READ_ONLY = "read nine fields (the floor)"
LINES_ONLY = "find the line ends"

_dumps: Callable[[object], object]
try:
    from orjson import dumps as _dumps
except ImportError:
    from json import dumps as _dumps

BATCH_RECORDS = 1000
KEPT_EVENTS = 100
#: Number of batches for lists of dicts. They are slow, and all batches are alike.
LIST_BATCHES = 20

NEEDED_PEERS = ("orjson_dict", "orjson_tuned", "msgspec_tuned", "clickhouse_chdb")


def batches(data: bytes, records: int) -> list[bytes]:
    """Cut NDJSON into batches of `records` lines; the last one may be shorter."""
    lines = data.splitlines(keepends=True)
    return [b"".join(lines[i : i + records]) for i in range(0, len(lines), records)]


def consume(events: Iterator[object]) -> None:
    """Read events one by one and keep none."""
    for _ in events:
        pass


def consume_and_keep(events: Iterator[object]) -> None:
    """Read events one by one and keep the last `KEPT_EVENTS`."""
    last: deque[object] = deque(maxlen=KEPT_EVENTS)
    for event in events:
        last.append(event)


def consume_and_read(events: Iterator[Any]) -> None:
    """Read events one by one, and one field of each."""
    found = 0
    for event in events:
        found += event["dns"]["question"]["name"] == "www.example.com"


def consume_and_serialise(events: Iterator[object]) -> None:
    """Read events one by one and serialise each, with orjson if it is installed."""
    for event in events:
        _dumps(event)


def _run_on(consumer: Callable[[Iterator[Any]], None], peer: ModuleType, data: bytes) -> None:
    consumer(peer.iter_dicts(data))


def _one_by_one(convert: Callable[[bytes], object], pieces: Sequence[bytes]) -> Callable[[], None]:
    """Return a job that converts pieces and drops each result before the next one."""

    def run() -> None:
        for piece in pieces:
            convert(piece)

    return run


class Lineup:
    """The contenders of one run.

    Attributes
    ----------
    contenders : dict of str to Contender
        The contenders that were added, by key.
    absent : dict of str to str
        The libraries that cannot take part, and the reason.
    records : int
        Number of records in a corpus.
    """

    def __init__(self, records: int, log: Callable[[str], None]) -> None:
        self.contenders: dict[str, Contender] = {}
        self.absent: dict[str, str] = {}
        self.records = records
        self._log = log
        self._data: dict[str, bytes] = {}
        self._expected: dict[str, Expected] = {}
        self._lists: list[bytes] = []

    def data(self, variant: str) -> bytes:
        """Return a corpus."""
        if variant not in self._data:
            self._data[variant] = corpus.make(variant, self.records)
        return self._data[variant]

    def right(self, variant: str) -> Expected:
        """Return the correct events of a corpus."""
        if variant not in self._expected:
            self._log(f"  correct events for {variant}")
            self._expected[variant] = expected(self.data(variant))
        return self._expected[variant]

    def in_order(self) -> list[Contender]:
        """Return all contenders. Those that are compared are adjacent, because disturbances last for seconds."""

        def position(contender: Contender) -> tuple[bool, int, bool]:
            to_dicts = (DICTS_ONE_BY_ONE, DICTS_KEPT, DICTS_READ, DICTS_SERIALISED, DICTS_LIST)
            kind = to_dicts.index(contender.task) if contender.task in to_dicts else -1
            return contender.variant != "typical", kind, contender.task not in (LINES_ONLY, READ_ONLY)

        return sorted(self.contenders.values(), key=position)

    @property
    def answers_from(self) -> str:
        """The implementation whose answers are the correct ones."""
        return next((right.source for right in self._expected.values()), "none")

    def _add(
        self,
        peer: ModuleType,
        short: str,
        task: str,
        variant: str,
        run: Callable[[], object],
        check: Callable[[], int],
        *,
        pieces: Sequence[bytes] = (),
        tolerated: int = 0,
        times: int = 1,
        name: str | None = None,
        before: Callable[[], None] | None = None,
        elsewhere: bool = False,
    ) -> None:
        records, size = self.records, len(self.data(variant))
        if pieces:
            records, size = sum(piece.count(b"\n") for piece in pieces), sum(map(len, pieces))
        records, size = times * records, times * size
        if before is None and hasattr(peer, "NAME_CACHE"):
            before = partial(fill, peer.NAME_CACHE)
        self.contenders[short] = Contender(
            short,
            name or peer.NAME,
            peer.LIBRARY,
            peer.VERSION,
            task,
            variant,
            records,
            size,
            run,
            check,
            tolerated,
            before,
            elsewhere,
        )

    def ndjson(self, peer: ModuleType, short: str, variant: str = "typical") -> None:
        """Add a conversion of the whole corpus to NDJSON."""
        data = self.data(variant)
        if hasattr(peer, "prepare"):
            path = peer.prepare(data)
            tolerated = int(self.records * TOLERATED_SHARE)

            def check() -> int:
                return differing_rows(self.right(variant), peer.to_ndjson(data), drop_nulls=True)

            self._add(peer, short, NDJSON, variant, lambda: peer.convert(path), check, tolerated=tolerated)
        else:
            self._add(
                peer,
                short,
                NDJSON,
                variant,
                lambda: peer.to_ndjson(data),
                lambda: differing_rows(self.right(variant), peer.to_ndjson(data)),
            )

    def ndjson_names_known(self, peer: ModuleType, short: str) -> None:
        """Add the conversion to NDJSON of a peer whose cache has the names of the corpus and no others."""
        data = self.data("typical")

        def know_names() -> None:
            peer.NAME_CACHE.cache_clear()
            peer.to_ndjson(data)

        def check() -> int:
            return differing_rows(self.right("typical"), peer.to_ndjson(data))

        self._add(peer, short, NDJSON_NAMES_KNOWN, "typical", lambda: peer.to_ndjson(data), check, before=know_names)

    def iter_dicts(self, peer: ModuleType, prefix: str) -> None:
        """Add conversions to dicts that are consumed one by one. Their keys begin with the prefix."""
        data = self.data("typical")
        for task, name, run in (
            (DICTS_ONE_BY_ONE, "iter_dicts", consume),
            (DICTS_KEPT, "kept_dicts", consume_and_keep),
            (DICTS_READ, "read_dicts", consume_and_read),
            (DICTS_SERIALISED, "serialised_dicts", consume_and_serialise),
        ):
            self._add(
                peer,
                f"{prefix}.{name}",
                task,
                "typical",
                partial(_run_on, run, peer, data),
                lambda: differing_events(self.right("typical"), peer.iter_dicts(data)),
            )

    def list_dicts(self, peer: ModuleType, short: str) -> None:
        """Add a conversion of batches to lists of dicts."""
        pieces = batches(self.data("typical"), BATCH_RECORDS)[:LIST_BATCHES]

        def check() -> int:
            right = self.right("typical").first(sum(piece.count(b"\n") for piece in pieces))
            return differing_events(right, (event for piece in pieces for event in peer.to_dicts(piece)))

        self._add(peer, short, DICTS_LIST, "typical", _one_by_one(peer.to_dicts, pieces), check, pieces=pieces)

    def ours(self) -> None:
        """Add the tasks of cfdns_fast on one CPU.

        Raises
        ------
        ImportError
            The package is not built.
        """
        from . import ours

        data = self.data("typical")
        module: ModuleType = ours
        self.ndjson(module, "ours.ndjson")
        self.detection("typical")
        self.ndjson(module, "ours.ndjson_distinct", "distinct")
        self.detection("distinct")
        self._add(
            module,
            "ours.ndjson_without_message",
            NDJSON_WITHOUT_MESSAGE,
            "typical",
            lambda: ours.to_ndjson_without_message(data),
            lambda: differing_rows(self.right("typical").without_message(), ours.to_ndjson_without_message(data)),
        )
        self._ndjson_batches(module, "ours.ndjson_batches", "typical")
        self._ndjson_batches(module, "ours.ndjson_distinct_batches", "distinct")
        self.iter_dicts(module, "ours")
        self.list_dicts(module, "ours.list_dicts")
        if find_spec("pyarrow") is None:
            self.absent["ours"] = "pyarrow is not installed"
        else:
            self._arrow(module, ARROW, "ours.arrow", [data])
            self._arrow(module, ARROW_BATCHES, "ours.arrow_batches", batches(data, BATCH_RECORDS))

    def detection(self, variant: str) -> None:
        """Add conversions to NDJSON that look for Sliver, for indicators and for rules."""
        from . import detection, ours

        data = self.data(variant)
        own = "".join(f"{name}\n" for name in detection.planted(data)).encode()
        million = detection.Names(self._plain_list()[0] + own)
        two_millions = detection.Names(b"".join(self._plain_list()) + own)
        sliver = detection.sliver()
        detectors: dict[str, tuple[str, list[Any]]] = {
            "off": ("option detect is empty", []),
            "1m": ("Sliver, 1 million indicators", [sliver, million]),
            "2m": ("Sliver, 2 million indicators", [sliver, two_millions]),
            "names_2m": ("2 million indicators", [two_millions]),
        }
        try:
            detectors["rules"] = "Sliver, 1 million indicators, 28 rules", [sliver, million, detection.rules()]
        except ImportError as error:
            self.absent["ours"] = str(error)
        for short, (text, looked_for) in detectors.items():
            if variant != "typical" and short in ("off", "names_2m"):
                continue
            normalizer = ours.detecting(looked_for)
            self._add(
                ours,
                f"ours.detecting_{short}" + ("" if variant == "typical" else f"_{variant}"),
                NDJSON_DETECTING,
                variant,
                partial(normalizer.to_ndjson, data),
                partial(self._wrong_with_detection, variant, normalizer, looked_for),
                name=f"cfdns_fast, {text}",
            )

    def _plain_list(self) -> list[bytes]:
        """Return two plain lists of a million names."""
        from . import detection

        if not self._lists:
            million = 1_000_000
            self._lists = [detection.plain_list(range(million)), detection.plain_list(range(million, 2 * million))]
        return self._lists

    def build_outcomes(self) -> list[dict[str, Any]]:
        """Return the outcomes of the time and the memory of a table of two million names."""
        from . import detection

        return detection.build_outcomes(b"".join(self._plain_list()))

    def _wrong_with_detection(self, variant: str, normalizer: Any, detectors: Sequence[Any]) -> int:
        from . import detection

        data = self.data(variant)
        wrong = differing_rows(self.right(variant), normalizer.to_ndjson(data).output)
        return wrong + detection.wrong_detections(data, detectors)

    def _ndjson_batches(self, peer: ModuleType, short: str, variant: str) -> None:
        pieces = batches(self.data(variant), BATCH_RECORDS)

        def check() -> int:
            return differing_rows(self.right(variant), b"".join(map(peer.to_ndjson, pieces)))

        self._add(peer, short, NDJSON_BATCHES, variant, _one_by_one(peer.to_ndjson, pieces), check, pieces=pieces)

    def _arrow(self, peer: ModuleType, task: str, short: str, pieces: Sequence[bytes]) -> None:
        def check() -> int:
            events = (event for piece in pieces for event in arrow_events(peer.to_arrow(piece)))
            return differing_events(self.right("typical"), events)

        self._add(peer, short, task, "typical", _one_by_one(peer.to_arrow, pieces), check, pieces=pieces)

    def on_two_cpus(self) -> None:
        """Add the tasks of cfdns_fast on two CPUs, if the system has two."""
        from . import ours

        data = self.data("typical")
        try:
            pair = parallel.Parallel(data, ours.to_ndjson(data), machine.CPUS)
        except parallel.Unavailable as error:
            self.absent["ours"] = str(error)
            return
        for job, (task, processes) in parallel.JOBS.items():
            workers = pair.workers(job)
            self._add(
                ours,
                f"ours.{job}",
                task,
                "typical",
                partial(workers.ask, "run"),
                partial(self._wrong_on_two_cpus, pair, job, workers),
                times=len(processes) * parallel.CORPORA_A_TURN,
                name=f"cfdns_fast, {parallel.NAMES[job]}",
                elsewhere=True,
            )

    def _wrong_on_two_cpus(self, pair: parallel.Parallel, job: str, workers: parallel.Workers) -> int:
        return 0 if pair.is_right(job, workers) else self.records

    def peers(self, *, include_all: bool) -> None:
        """Add the peers that the targets need, or all peers."""
        found, absent = peers.load(peers.PEERS if include_all else NEEDED_PEERS)
        self.absent.update(absent)
        for name, peer in found.items():
            self.ndjson(peer, f"{name}.ndjson")
            if include_all:
                self.ndjson(peer, f"{name}.ndjson_distinct", "distinct")
            if name == "orjson_dict":
                self.ndjson_names_known(peer, f"{name}.ndjson_names_known")
            if hasattr(peer, "iter_dicts") and (include_all or name == "orjson_dict"):
                self.iter_dicts(peer, name)
                self.list_dicts(peer, f"{name}.list_dicts")

    def floors(self) -> None:
        """Add the floor over both corpora, if it can be built."""
        try:
            for variant in floor.VARIANTS:
                self._floor(floor.Floor(self.data(variant)), variant)
        except floor.FloorUnavailable as error:
            self.absent["floor"] = str(error)

    def _floor(self, built: floor.Floor, variant: str) -> None:
        data = self.data(variant)
        jobs = (
            (READ_ONLY, f"floor.{variant}", "simdjson On-Demand", "simdjson", floor.version(), built.run),
            (LINES_ONLY, f"newlines.{variant}", "memchr", "libc", platform.libc_ver()[1], built.newlines),
        )
        for task, short, name, library, version, run in jobs:
            self.contenders[short] = Contender(
                short,
                name,
                library,
                version,
                task,
                variant,
                self.records,
                len(data),
                run,
                lambda: 0 if built.is_correct(data) else self.records,
            )
