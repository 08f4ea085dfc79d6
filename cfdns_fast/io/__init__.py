"""Bytes in and out: inputs in blocks, plain or gzip, and outputs that are complete or absent.

- `inputs`: read files and standard input, and decompress gzip.
- `outputs`: write files, which change only when all data is written, and other outputs.
- `paths`: check the names of inputs and outputs before a run.
- `read_ahead`: read an input on a background thread, and end reading on request.
- `spill_file`, `temporaries`: temporary files.

Sub-packages may use all names here; each is imported at first use.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .inputs import BLOCK_BYTES, InputFault, blocks_ahead, blocks_of, read_plain
    from .outputs import Output, OutputFault, publish_all
    from .paths import STANDARD_STREAM, PathError, check_outputs, descriptor_of, text_of, total_bytes
    from .read_ahead import ReadAhead, Stop
    from .spill_file import SpillFile
    from .temporaries import remove_dead

__all__ = [
    "BLOCK_BYTES",
    "STANDARD_STREAM",
    "InputFault",
    "Output",
    "OutputFault",
    "PathError",
    "ReadAhead",
    "SpillFile",
    "Stop",
    "blocks_ahead",
    "blocks_of",
    "check_outputs",
    "descriptor_of",
    "publish_all",
    "read_plain",
    "remove_dead",
    "text_of",
    "total_bytes",
]

_MODULES = {
    "inputs": ("BLOCK_BYTES", "InputFault", "blocks_ahead", "blocks_of", "read_plain"),
    "outputs": ("Output", "OutputFault", "publish_all"),
    "paths": ("STANDARD_STREAM", "PathError", "check_outputs", "descriptor_of", "text_of", "total_bytes"),
    "read_ahead": ("ReadAhead", "Stop"),
    "spill_file": ("SpillFile",),
    "temporaries": ("remove_dead",),
}

if not TYPE_CHECKING:

    def __getattr__(name):
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
