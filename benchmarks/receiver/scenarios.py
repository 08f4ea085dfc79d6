"""The scenarios of the load run, and how one is run."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .checking import Checker, WrongEvents, difference
from .neighbours import Neighbours
from .pool import BLOCK_RECORDS, Pool
from .processes import KEY_HEADER, PATH, Receiver, run_module
from .sender import GRACE_S, Load

#: Seconds in which every acknowledged batch must have reached the files.
DRAIN_S = 120
#: Compressed bytes of an event in a file, and of a record in the spool, with room to spare.
_EVENT_BYTES, _RECORD_BYTES = 120, 40
_RESERVE_BYTES = 3 << 30
#: Time for the bodies of neighbours to be compressed, and for their connections.
_READY_S = 120


@dataclass(frozen=True)
class Scenario:
    """One measurement.

    Attributes
    ----------
    name, text : str
        The name in results, and what it is.
    blocks : int
        Blocks of 1,000 records in a batch.
    events_per_s : int or None
        The rate at which batches become due; None sends a batch when an earlier one is answered.
    connections : int
        Requests in flight at most.
    has_neighbours : bool
        Whether hostile clients share the receiver.
    """

    name: str
    text: str
    blocks: int
    events_per_s: int | None
    connections: int
    has_neighbours: bool = False


def scenarios(events_per_s: int) -> tuple[Scenario, ...]:
    """Return all scenarios for a rate."""
    return (
        Scenario("rate_1000", "1,000-record batches at a rate", 1, events_per_s, 64),
        Scenario("rate_100000", "100,000-record batches at a rate", 100, events_per_s, 8),
        Scenario("peak_1000", "1,000-record batches, 16 at once", 1, None, 16),
        Scenario("peak_100000", "100,000-record batches, 4 at once", 100, None, 4),
        Scenario("neighbours", "1,000-record batches beside hostile clients", 1, events_per_s // 10, 16, True),
    )


class NoSpace(Exception):
    """The disk is too small for a scenario."""


class Runner:
    """Runs scenarios one after another, each with a receiver and folders of its own."""

    def __init__(
        self,
        folder: Path,
        pools: dict[int, Pool],
        outputs: list[bytes],
        log: Callable[[str], None],
        options: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.pools, self.log, self.options = folder, pools, log, options
        self.checker = Checker(outputs)

    def run(self, scenario: Scenario, seconds: float) -> dict[str, Any]:
        """Run one scenario, check the files, and return the result."""
        self._require_space(scenario, seconds)
        folder = self.folder / scenario.name
        pool = self.pools[scenario.blocks]
        with Receiver(folder, options=self.options) as receiver:
            crowd = self._neighbours(receiver) if scenario.has_neighbours else None
            self.log(f"{scenario.name}: sending for {seconds:g} s")
            before, begin_s = receiver.usage(), time.monotonic()
            sent = self._send(receiver, scenario, pool, seconds)
            after, load_s = receiver.usage(), time.monotonic() - begin_s
            lag_batches = sent["last_batch"] - receiver.last_delivered()
            spool_bytes = receiver.spool_bytes()
            drain_s = self._drain(receiver, sent["last_batch"])
            end = receiver.usage()
            counts = None
            if crowd is not None:
                counts = json.loads(crowd.communicate(timeout=_READY_S)[0].splitlines()[-1])
        self.log(f"{scenario.name}: checking the files")
        check = self._check(receiver, pool, sent)
        shutil.rmtree(folder)
        records = sent["batches"] * pool.records
        return {
            "scenario": asdict(scenario),
            "seconds": round(load_s, 3),
            "records": records,
            "events_per_s": round(records / sent["seconds"]),
            "sender": {name: value for name, value in sent.items() if name != "acknowledged"},
            "receiver_cpu_s": round(after.receiver_cpu_s - before.receiver_cpu_s, 3),
            "sinks_cpu_s": round(after.sinks_cpu_s - before.sinks_cpu_s, 3),
            # The CPU that the drain takes belongs to the load too.
            "cores": round(
                (end.receiver_cpu_s + end.sinks_cpu_s - before.receiver_cpu_s - before.sinks_cpu_s) / load_s, 3
            ),
            "receiver_peak_mb": round(end.receiver_kb / 1000, 1),
            "sink_peak_mb": round(end.sinks_kb / 1000, 1),
            "lag_batches_at_the_end": lag_batches,
            "spool_mb_at_the_end": round(spool_bytes / 1e6, 1),
            "drain_s": drain_s,
            "neighbours": counts,
            **check,
        }

    def _send(self, receiver: Receiver, scenario: Scenario, pool: Pool, seconds: float) -> dict[str, Any]:
        rate = scenario.events_per_s
        load = Load(
            "127.0.0.1",
            receiver.port,
            PATH,
            KEY_HEADER,
            receiver.key,
            str(pool.folder),
            seconds,
            None if rate is None else rate / pool.records,
            scenario.connections,
        )
        with run_module("sender", asdict(load)) as process:
            output, _ = process.communicate(timeout=seconds + 2 * GRACE_S)
        if process.returncode:
            raise RuntimeError(f"{scenario.name}: the sender failed; the receiver says: {receiver.log()}")
        result: dict[str, Any] = json.loads(output)
        return result

    def _neighbours(self, receiver: Receiver) -> Any:
        settings = Neighbours("127.0.0.1", receiver.port, PATH, KEY_HEADER, receiver.key)
        self.log(f"opening {settings.idle:,} idle connections")
        process = run_module("neighbours", asdict(settings))
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def _drain(self, receiver: Receiver, last_batch: int) -> float | None:
        """Return the seconds until the last batch is delivered; None if that takes too long."""
        begin_s = time.monotonic()
        while receiver.last_delivered() < last_batch:
            if time.monotonic() - begin_s > DRAIN_S:
                return None
            time.sleep(0.02)
        return round(time.monotonic() - begin_s, 3)

    def _check(self, receiver: Receiver, pool: Pool, sent: dict[str, Any]) -> dict[str, Any]:
        wanted = pool.delivered(sent["acknowledged"])
        files = sorted(receiver.events.rglob("*.ndjson.gz"))
        file_bytes = sum(path.stat().st_size for path in files)
        wrong = None
        delivered: Counter[int] = Counter()
        try:
            delivered = self.checker.check(files, delete=True)
        except WrongEvents as error:
            wrong = str(error)
        return {
            "files": len(files),
            "file_mb": round(file_bytes / 1e6, 1),
            "events_in_files": delivered.total() * BLOCK_RECORDS,
            "wrong": wrong,
            **difference(delivered, wanted),
        }

    def _require_space(self, scenario: Scenario, seconds: float) -> None:
        rate = scenario.events_per_s or 1_200_000
        needed = int(rate * seconds) * (_EVENT_BYTES + _RECORD_BYTES) + _RESERVE_BYTES
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise NoSpace(f"{scenario.name} needs {needed >> 30} GiB in {self.folder}, and {free >> 30} GiB are free")


def conversion_alone(blocks: list[bytes], seconds: float) -> float:
    """Return the events a second of `to_ndjson` on one thread, in 1,000-record batches; the median of slices."""
    from cfdns_fast import Normalizer

    normalizer = Normalizer()
    rates = []
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        begin_s = time.perf_counter()
        for block in blocks:
            normalizer.to_ndjson(block)
        rates.append(len(blocks) * BLOCK_RECORDS / (time.perf_counter() - begin_s))
    return sorted(rates)[len(rates) // 2]


def limit_open_files() -> int:
    """Raise the limit of open files as far as allowed, for processes that are started later; return it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
