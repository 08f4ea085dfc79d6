"""The floor, compiled on demand and called by ctypes. floor.cpp describes what it measures."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

#: The flags of wheels: no -march, because simdjson selects its instructions at run time.
FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-fPIC", "-shared")
PADDING_BYTES = 64
VARIANTS = ("typical", "distinct")

_SOURCE = Path(__file__).with_name("floor.cpp")
_FAILED = ctypes.c_size_t(-1).value
_LENGTHS = ("ColoCode", "EDNSSubnet", "QueryName", "SourceIP")
_NUMBERS = ("EDNSSubnetLength", "QueryType", "ResponseCode", "Timestamp", "ResponseCached")


class FloorUnavailable(RuntimeError):
    """There is no compiler or no simdjson, or the compilation failed."""


def simdjson_directory() -> Path:
    """Return the folder of simdjson.h and simdjson.cpp: CFDNS_SIMDJSON_DIR, or else the folder of pysimdjson."""
    chosen = os.environ.get("CFDNS_SIMDJSON_DIR")
    if chosen:
        folders = [chosen]
    else:
        # Located and not imported, because an import would load another simdjson into this process.
        package = importlib.util.find_spec("simdjson")
        folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        if (Path(folder) / "simdjson.h").is_file() and (Path(folder) / "simdjson.cpp").is_file():
            return Path(folder)
    raise FloorUnavailable("simdjson.h and simdjson.cpp not found: install pysimdjson or set CFDNS_SIMDJSON_DIR")


def _compiler() -> str:
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise FloorUnavailable("no C++ compiler found (g++, c++, clang++ or $CXX)")


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base) / "cfdns_fast_benchmarks"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        # A new folder with a random name, because code is loaded from it.
        path = Path(tempfile.mkdtemp(prefix="cfdns_fast_benchmarks_"))
    return path


def build() -> Path:
    """Compile the floor if it is not cached, and return the path of the shared library."""
    simdjson, compiler = simdjson_directory(), _compiler()
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    key = hashlib.sha256()
    for part in (
        _SOURCE.read_bytes(),
        (simdjson / "simdjson.h").read_bytes(),
        (simdjson / "simdjson.cpp").read_bytes(),
    ):
        key.update(hashlib.sha256(part).digest())
    key.update(repr((compiler, version, FLAGS)).encode())
    library = _cache_directory() / f"floor-{key.hexdigest()[:32]}.so"
    if library.exists():
        return library
    print("compiling the floor (once, about half a minute)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=library.parent) as work:
        made = Path(work) / "floor.so"
        command = [compiler, *FLAGS, f"-I{simdjson}", str(_SOURCE), str(simdjson / "simdjson.cpp"), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FloorUnavailable(f"{compiler} failed:\n{done.stderr[-2000:]}")
        os.replace(made, library)  # atomic, so that another run never loads an incomplete file
    return library


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(build()))
    except OSError as error:
        raise FloorUnavailable(f"the compiled floor cannot be loaded: {error}") from None
    for function in (library.floor_run, library.floor_newlines):
        function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t))
        function.restype = ctypes.c_size_t
    library.floor_kernel.restype = ctypes.c_char_p
    return library


def kernel() -> str:
    """Return the name of the kernel that simdjson selected."""
    name: bytes = _library().floor_kernel()
    return name.decode()


def version() -> str:
    """Return the version of simdjson by its header."""
    with (simdjson_directory() / "simdjson.h").open(encoding="utf-8") as header:
        for line in header:
            if line.startswith("#define SIMDJSON_VERSION "):
                return line.split('"')[1]
    return "unknown"


class Floor:
    """A copy of a corpus in a padded buffer, and the two floors over it."""

    def __init__(self, data: bytes) -> None:
        self._library = _library()
        self._size_bytes = len(data)
        self._buffer = ctypes.create_string_buffer(len(data) + PADDING_BYTES)
        ctypes.memmove(self._buffer, data, len(data))
        self._sink = ctypes.c_size_t()

    def run(self) -> int:
        """Read every record; return their number."""
        count: int = self._library.floor_run(self._buffer, self._size_bytes, self._sink)
        if count == _FAILED:
            raise ValueError("the floor reads only records with nine fields and epoch timestamps")
        return count

    def newlines(self) -> int:
        """Find every line end; return the number of lines."""
        count: int = self._library.floor_newlines(self._buffer, self._size_bytes, self._sink)
        return count

    def is_correct(self, data: bytes) -> bool:
        """Return whether counts and checksums of both floors equal those of Python's json module."""
        records = [json.loads(line) for line in data.splitlines()]
        total = sum(sum(len(r[key]) for key in _LENGTHS) + sum(r[key] for key in _NUMBERS) for r in records)
        read = self.run() == len(records) and self._sink.value == total % 2**64
        found = self.newlines() == len(records) and self._sink.value == len(data) - data.count(b"\n")
        return read and found
