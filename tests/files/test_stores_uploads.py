"""Large uploads and downloads: whole or absent if the process is killed, and bounded memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from support.object_servers import Bucket, bucket_environment

from cfdns_fast.files import open_store
from cfdns_fast.io import remove_dead

pytestmark = pytest.mark.slow

UPLOAD = """
import sys
from cfdns_fast.files import object_store, open_store
object_store._PART_BYTES = 5 << 20
store = open_store(sys.argv[1])
path = store.temporary()
with open(path, "wb") as file:
    for number in range(40):
        file.write(bytes([number]) * (1 << 20))
print("ready", flush=True)
store.put_file("large", path)
print("done", flush=True)
"""


@pytest.mark.parametrize("has_old", [False, True])
def test_a_killed_upload_changes_nothing(
    seaweed: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_old: bool
) -> None:
    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    url = f"{seaweed.url}/killed {os.urandom(6).hex()}"
    store = open_store(url)
    if has_old:
        store.put("large", b"old")
    whole = b"".join(bytes([number]) * (1 << 20) for number in range(40))
    chance = random.Random(19)
    killed = 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", UPLOAD, url], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        is_done = process.stdout.readline() == b"done\n"
        process.wait()
        process.stdout.close()
        found = [entry.key for entry in store.list()]
        content = store.read("large") if found else None
        if is_done:
            assert content == whole
        else:
            killed += 1
            assert content in (whole, b"old" if has_old else None)
        if content == whole:
            store.put("large", b"old") if has_old else store.delete("large")
    assert killed > 0
    subprocess.run([sys.executable, "-c", UPLOAD, url], check=True, stdout=subprocess.DEVNULL)
    assert store.read("large") == whole
    # The files of killed processes wait for `remove_stale`, which looks into this folder.
    assert len(remove_dead(str(tmp_path))) == killed
    assert os.listdir(tmp_path) == []


MEMORY = """
import resource, sys, time
from cfdns_fast.files import open_store
store = open_store(sys.argv[1])
store.put("small", b"1")
store.read("small")
path = store.temporary()
with open(path, "wb") as file:
    for number in range(200):
        file.write(bytes([number]) * (1 << 20))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
start = peak()
store.put_file("large", path)
uploaded = peak()
with store.open("large") as reader:
    reader.read(1)
    time.sleep(0.5)
    total = 1
    while data := reader.read(1 << 16):
        total += len(data)
assert total == 200 << 20
print(uploaded - start, peak() - uploaded)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is that of Linux")
def test_large_objects_need_little_memory(seaweed: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket_environment(seaweed.endpoint).items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", MEMORY, f"{seaweed.url}/memory"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    upload_mb, download_mb = map(int, done.stdout.split())
    # Three parts of 8 MiB are sent at a time, and each is read before.
    assert upload_mb < 60 and download_mb < 20, done.stdout
