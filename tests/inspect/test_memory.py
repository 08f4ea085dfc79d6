"""The memory of an inspection."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import SANITIZED, run_python

pytest.importorskip("pyarrow")

CODE = """
import resource
from cfdns_fast import Normalizer
from cfdns_fast.inspect import InputFile, Inspection

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

line = b'{"QueryName":"example.com","QueryType":1,"ResponseCode":0}\\n'
with Inspection(Normalizer(keep_message=False)) as inspection:
    for number in range(4400):
        if number == 400:
            before = resident_bytes()
        inspection.read(InputFile(str(number)), [line])
    print(resident_bytes() - before)
    assert inspection.summary().events == 4400
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc")
@pytest.mark.skipif(SANITIZED, reason="AddressSanitizer keeps freed memory")
def test_files_of_one_record_take_little_memory() -> None:
    """They are counted together, and a batch of one row takes 26 KB."""
    done = run_python(CODE)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 40_000_000
