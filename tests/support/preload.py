"""Libraries that tests preload, so that calls of the system fail or end the process."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from support.processes import SANITIZED

__all__ = ["preload_library"]


def preload_library(name: str, folder: Path) -> Path:
    """Compile the library from ``name.c`` beside this module, or skip the test; it is preloaded by ``LD_PRELOAD``."""
    compiler = shutil.which("cc")
    if compiler is None or platform.libc_ver()[0] != "glibc" or SANITIZED:
        pytest.skip("needs a C compiler, glibc and no sanitizer")
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the C compiler makes no library: {done.stderr[-200:]}")
    return library
