"""Settings of the garbage collector and of the allocator."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

import cfdns_fast

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cfdns_fast.__file__)))

COLLECTOR = """
import gc
from cfdns_fast.receiver.memory import configure_collector
before = gc.get_threshold()
configure_collector()
assert gc.get_freeze_count() > len(gc.get_objects())
assert gc.isenabled() and gc.get_threshold() > before
"""

ALLOCATOR = """
import resource
from cfdns_fast.receiver.memory import configure_allocator
configure_allocator()
first = bytearray(8 << 20)
del first
blocks = [bytearray(b"x") * (4 << 20) for _ in range(20)]
last = bytearray(b"x") * 65536
kept = blocks.pop()
del blocks
pages = int(open("/proc/self/statm").read().split()[1])
assert pages * resource.getpagesize() < 60 << 20, pages
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": ROOT})


def test_objects_of_the_start_are_not_collected() -> None:
    run(COLLECTOR)


def test_freed_bodies_go_back_to_the_system() -> None:
    """A block that is still used, above them on the heap, would keep them otherwise."""
    if not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("needs the malloc of glibc")
    run(ALLOCATOR)
