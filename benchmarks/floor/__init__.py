"""The floor, compiled on demand and called through ctypes; floor.cpp says what it measures."""

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

#: Plain optimisation and no -march: simdjson dispatches by itself, and wheels are built like this.
FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-fPIC", "-shared")
PADDING_BYTES = 64
VARIANTS = ("typical", "distinct")

_SOURCE = Path(__file__).with_name("floor.cpp")
_FAILED = ctypes.c_size_t(-1).value
_LENGTHS = ("ColoCode", "EDNSSubnet", "QueryName", "SourceIP")
_NUMBERS = ("EDNSSubnetLength", "QueryType", "ResponseCode", "Timestamp", "ResponseCached")


class FloorUnavailable(RuntimeError):
    """There is no compiler or no simdjson here, or they do not work together."""


def simdjson_directory() -> Path:
    """Return the folder that holds simdjson.h and simdjson.cpp: CFDNS_SIMDJSON_DIR, else where pysimdjson has them."""
    chosen = os.environ.get("CFDNS_SIMDJSON_DIR")
    if chosen:
        places = [chosen]
    else:
        # Located, never imported: importing would load another copy of simdjson into this process.
        package = importlib.util.find_spec("simdjson")
        places = list(package.submodule_search_locations or ()) if package else []
    for place in places:
        if (Path(place) / "simdjson.h").is_file() and (Path(place) / "simdjson.cpp").is_file():
            return Path(place)
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
        # A fresh directory, not a guessable one: code is loaded from it.
        path = Path(tempfile.mkdtemp(prefix="cfdns_fast_benchmarks_"))
    return path


def build() -> Path:
    """Compile the floor unless that was done before; return the shared library."""
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
        os.replace(made, library)  # at once, so that two runs at a time never load half a file
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
    """Return the name of the kernel simdjson picked."""
    return _library().floor_kernel().decode()


def version() -> str:
    """Return simdjson's version, as its header states it."""
    with (simdjson_directory() / "simdjson.h").open(encoding="utf-8") as header:
        for line in header:
            if line.startswith("#define SIMDJSON_VERSION "):
                return line.split('"')[1]
    return "unknown"


class Floor:
    """A corpus in a padded buffer of its own, and the two floors over it."""

    def __init__(self, data: bytes) -> None:
        self._library = _library()
        self._size_bytes = len(data)
        self._buffer = ctypes.create_string_buffer(len(data) + PADDING_BYTES)
        ctypes.memmove(self._buffer, data, len(data))
        self._sink = ctypes.c_size_t()

    def run(self) -> int:
        """Read every record; return their number."""
        count = self._library.floor_run(self._buffer, self._size_bytes, self._sink)
        if count == _FAILED:
            raise ValueError("the floor reads only records with nine fields and epoch time stamps")
        return count

    def newlines(self) -> int:
        """Find every line end; return the number of lines."""
        return self._library.floor_newlines(self._buffer, self._size_bytes, self._sink)

    def is_correct(self, data: bytes) -> bool:
        """Compare counts and checksums of both floors with what Python's json reads from the same data."""
        records = [json.loads(line) for line in data.splitlines()]
        total = sum(sum(len(r[key]) for key in _LENGTHS) + sum(r[key] for key in _NUMBERS) for r in records)
        read = self.run() == len(records) and self._sink.value == total % 2**64
        found = self.newlines() == len(records) and self._sink.value == len(data) - data.count(b"\n")
        return read and found
