"""Build the extension module. Everything else is in pyproject.toml."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = "cfdns_fast/_core"
NATIVE = "cfdns_fast/_native"


def simdjson_directory() -> str:
    """Return the folder of simdjson.h and simdjson.cpp: CFDNS_SIMDJSON_DIR, or else the folder of pysimdjson."""
    override = os.environ.get("CFDNS_SIMDJSON_DIR")
    # Located and not imported, because an import would load another simdjson.
    spec = None if override else find_spec("simdjson")
    candidates = [override] if override else list(spec.submodule_search_locations or ()) if spec else []
    for directory in candidates:
        if all(Path(directory, name).is_file() for name in ("simdjson.h", "simdjson.cpp")):
            return directory
    raise SystemExit(
        "simdjson.h and simdjson.cpp not found: install pysimdjson==7.0.2 or set CFDNS_SIMDJSON_DIR to their directory"
    )


def flag(name: str) -> bool:
    value = os.environ.get(name, "0")
    if value not in ("0", "1"):
        raise SystemExit(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"


if sys.platform == "win32":
    compile_args, link_args = ["/std:c++17", "/O2"], []
else:
    # -g0, because debug information makes the module much larger. No -march, because simdjson and the escaper select
    # their instructions at run time.
    compile_args = ["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-pthread"]
    # Each function starts a cache line. GCC aligns to 16 bytes, and then any change can move the functions of the hot
    # loop, which made NDJSON take 4 % longer (2026-11-30, GCC 12, Zen 4).
    compile_args += ["-falign-functions=64"]
    # Export one symbol only, so that this simdjson never mixes with another one in the process; -fvisibility leaves the
    # templates of libstdc++ visible.
    link_args = (
        ["-Wl,-exported_symbol,_PyInit_boundary"]
        if sys.platform == "darwin"
        else [f"-Wl,--version-script={CORE}/exports.map"]
    )
    if flag("CFDNS_SANITIZE"):
        sanitizers = "-fsanitize=address,undefined"
        compile_args = [
            "-std=c++17",
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            "-fno-sanitize-recover=undefined",
            sanitizers,
        ]
        link_args += [sanitizers]

extension = Extension(
    "cfdns_fast._core.boundary",
    sources=[
        f"{CORE}/boundary.pyx",
        f"{NATIVE}/framing/cursor.cpp",
        f"{NATIVE}/json/indexer.cpp",
        f"{NATIVE}/json/simdjson_unit.cpp",
    ],
    depends=[str(header) for header in Path("cfdns_fast").rglob("*.hpp")],
    include_dirs=[".", NATIVE, simdjson_directory()],
    # simdjson requires NDEBUG in release builds.
    define_macros=[("NDEBUG", "1")],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
    language="c++",
)

# build_dir keeps the generated C++ out of the package and the sdist.
setup(ext_modules=cythonize([extension], build_dir="build/cython"))
