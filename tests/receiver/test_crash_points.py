"""The process ends at each change of a file, in spool and sinks: each acknowledged record is there, in files once.

CFDNS_CRASH_EVERY is the distance of the steps (default 24; 1 takes an hour).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix
from support.preload import preload_library
from support.processes import run_python

pytestmark = [needs_posix, pytest.mark.slow]

EVERY = int(os.environ.get("CFDNS_CRASH_EVERY", "24"))
PARTS = 3
_PROGRAM = """
import sys
from pathlib import Path
from support.crash_points import main
main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_end_at_any_step_loses_nothing(tmp_path: Path, part: int) -> None:
    library = preload_library("end_at_step", tmp_path)
    first = 1 + part * EVERY
    done = run_python(_PROGRAM, str(tmp_path / "run"), str(EVERY * PARTS), str(first), LD_PRELOAD=str(library))
    assert re.fullmatch(r"\d+ runs\n", done.stdout), done.stdout + done.stderr
    # The last run came to its end.
    assert int(done.stdout.split()[0]) * EVERY * PARTS > 300
