"""Draw docs/inspect.png, the page of a made-up day of logs: ``python docs/inspect_picture.py [FOLDER]``.

It needs the extra ``inspect`` and Chromium. A folder keeps the logs and the page.
"""

from __future__ import annotations

import datetime
import gzip
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfdns_fast import Normalizer

PICTURE = Path(__file__).with_name("inspect.png")
SAMPLE = Path(__file__).parents[1] / "cfdns_fast" / "data" / "sample.ndjson.gz"
WIDTH, HEIGHT = 1100, 1048

NORMALIZER = Normalizer()
START = datetime.datetime(2026, 8, 25, tzinfo=datetime.UTC)
FILE_MINUTES = 15
#: Files that are missing, and those that hold a flood of random subdomains.
MISSING, FLOOD = range(37, 39), range(66, 76)


def sample_records() -> Iterator[dict[str, Any]]:
    """Return an iterator over the records of the sample that have neither a reject nor a problem."""
    for line in gzip.decompress(SAMPLE.read_bytes()).splitlines():
        result = NORMALIZER.to_dicts(line)
        if result.events and not result.problems and not result.rejects:
            yield json.loads(line)


def records_of(
    number: int, per_file: int, samples: list[dict[str, Any]], chance: random.Random
) -> Iterator[dict[str, Any]]:
    """Return an iterator over the records of a file: those of the sample at other times, and the flood."""
    start_ns = int(START.timestamp()) * 10**9 + number * FILE_MINUTES * 60 * 10**9
    count = int(per_file * (1 + 0.5 * math.sin((number - 28) / 96 * 2 * math.pi)))
    flood = count // 2 if number in FLOOD else 0
    for index in range(count + flood):
        record = dict(chance.choice(samples))
        record["Timestamp"] = start_ns + chance.randrange(FILE_MINUTES * 60 * 10**9)
        if index >= count:
            label = f"{chance.getrandbits(48):012x}"
            record.update(QueryName=f"{label}.bankshopki.net.", QueryType=1, ResponseCode=3, ResponseCached=False)
        yield record


def write_logs(folder: Path, per_file: int, seed: int = 1) -> None:
    """Write a day of logs in files of 15 minutes: with a gap, a flood, late events, a problem and a reject."""
    chance = random.Random(seed)
    samples = list(sample_records())
    for number in range(24 * 60 // FILE_MINUTES):
        lines = [json.dumps(record) for record in records_of(number, per_file, samples, chance)]
        if number in MISSING:
            continue
        if number == 50:
            late = dict(samples[0], Timestamp=int(START.timestamp() + 45_000 - 90) * 10**9)
            lines += [json.dumps(late), json.dumps(dict(late, QueryType="A")), '{"QueryName":"cut.example.com']
        begin = START + datetime.timedelta(minutes=number * FILE_MINUTES)
        end = begin + datetime.timedelta(minutes=FILE_MINUTES)
        name = f"{begin:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}_{chance.getrandbits(32):08x}.log.gz"
        (folder / name).write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0))


def draw(folder: Path) -> None:
    """Write the logs and the page into the folder, and replace the picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("Chromium is not installed")
    logs, page = folder / "logs", folder / "inspect.html"
    logs.mkdir()
    write_logs(logs, per_file=2000)
    command = [sys.executable, "-m", "cfdns_fast", "inspect", "logs", "--html", page.name, "--no-progress"]
    subprocess.run(command, cwd=folder, check=True)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
    subprocess.run([browser, *options, f"--screenshot={PICTURE}", page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as made:
            draw(Path(made))
