"""SIGKILL of the receiver, of its sink, or of both at random moments: each acknowledged record arrives exactly once.

CFDNS_KILLS is the number of kills of the slow test (default 100), and CFDNS_KILLS_SEED is the seed (default 0).
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("tornado", reason="the extra receiver is not installed")

from support.command import needs_posix
from support.receiver_process import KEY, ReceiverProcess, batch, delivered

pytestmark = needs_posix

KILLS = int(os.environ.get("CFDNS_KILLS", "100"))
SEED = int(os.environ.get("CFDNS_KILLS_SEED", "0"))
CLIENTS = 3
RECORDS = 25
PAUSE_S = 0.05
_PROCESS = re.compile(r"runs as process (\d+)")

#: Segments and files that are completed all the time.
CONFIGURATION = """\
segment = "64KiB"
drain = "5s"
[[sink]]
name = "out"
url = "file://{folder}/out/?format={format}&rotate=1s&rotate_bytes=40KiB"
"""


class Senders:
    """Clients that send each body once, and keep the numbers of the records of which they know what became."""

    def __init__(self) -> None:
        self.receiver: ReceiverProcess | None = None
        self.acknowledged: list[int] = []
        self.unknown: list[int] = []
        self._firsts = itertools.count(0, RECORDS)
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = None
        while not self._end.wait(PAUSE_S):
            receiver = self.receiver
            if receiver is None or not receiver.port:
                continue
            if connection is None or connection.port != receiver.port:
                if connection is not None:
                    connection.close()
                connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
            first = next(self._firsts)
            numbers = range(first, first + RECORDS)
            try:
                connection.request("POST", "/plain/batch", batch(first, RECORDS), {"X-SEKOIAIO-INTAKE-KEY": KEY})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                self.unknown += numbers
            else:
                (self.acknowledged if answer.status == 200 else self.unknown).extend(numbers)
        if connection is not None:
            connection.close()


def sink_process(receiver: ReceiverProcess) -> int | None:
    """Return the process that the sink runs as, or ran as last."""
    found = [_PROCESS.search(message) for message in receiver.messages()]
    return next((int(match[1]) for match in reversed(found) if match), None)


def wait_for_other_sink(receiver: ReceiverProcess, known: int | None) -> None:
    receiver.wait_for(lambda: sink_process(receiver) != known)


def kill(process: int | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def run(folder: Path, kills: int, seed: int, form: str) -> None:
    chance = random.Random(seed)
    configuration = CONFIGURATION.format(folder=folder, format=form)
    senders = Senders()
    receiver = ReceiverProcess(folder, configuration)
    try:
        for number in range(kills):
            receiver.__enter__()
            senders.receiver = receiver
            # A receiver is more expensive to start than a sink, but a sink that is killed again and again waits.
            what = "sink" if number % 3 else chance.choice(("receiver", "both"))
            known = sink_process(receiver)
            time.sleep(chance.uniform(0.02, 0.4))
            if what != "receiver":
                kill(sink_process(receiver))
            if what != "sink":
                receiver.process.kill()
                senders.receiver = None
                receiver.__exit__()
                receiver = ReceiverProcess(folder, configuration)
            else:
                wait_for_other_sink(receiver, known)
        receiver.__enter__()
        senders.receiver = receiver
        time.sleep(0.2)
        senders.close()
        receiver.wait_for(lambda: receiver.metric("cfdns_spool_batches") == 0)
        assert receiver.stop() == 0
    finally:
        senders.close()
        receiver.__exit__()
    found = Counter(delivered(folder / "out"))
    assert len(senders.acknowledged) > kills
    assert [number for number in senders.acknowledged if found[number] != 1] == []
    assert [number for number, times in found.items() if times != 1] == []
    assert found.keys() <= {*senders.acknowledged, *senders.unknown}


def test_kills_lose_nothing(tmp_path: Path) -> None:
    run(tmp_path, 30, SEED, "ndjson")


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    run(tmp_path, KILLS, SEED, "ndjson.gz")
