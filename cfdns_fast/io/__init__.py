"""Bytes in and out: inputs in blocks, plain or compressed, and outputs that are complete or absent.

- `inputs`: read files, standard input and open readers, and decompress gzip and zstd.
- `compressors`: compress outputs as gzip and zstd.
- `outputs`: write files, which change only when all data is written, and other outputs.
- `paths`: check the names of inputs and outputs before a run.
- `read_ahead`: read an input on a background thread, and end reading on request.
- `regular`: tell regular files from other kinds, and read a small one.
- `reject_lines`: rejects as lines of NDJSON.
- `spill_file`, `temporaries`: temporary files.

Sub-packages may use all names here; each is imported at first use.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .compressors import Compressor, GzipCompressor, ZstdCompressor, compressor_of
    from .inputs import BLOCK_BYTES, InputFault, blocks_ahead, blocks_of, read_plain
    from .outputs import Output, OutputFault, publish_all
    from .paths import STANDARD_STREAM, PathError, check_outputs, descriptor_of, text_of, total_bytes
    from .read_ahead import ReadAhead, Stop
    from .regular import is_special, read_regular
    from .reject_lines import reject_line_pieces, reject_lines
    from .spill_file import SpillFile
    from .temporaries import remove_dead
    from .zstd_library import ZstdMissing

__all__ = [
    "BLOCK_BYTES",
    "STANDARD_STREAM",
    "Compressor",
    "GzipCompressor",
    "InputFault",
    "Output",
    "OutputFault",
    "PathError",
    "ReadAhead",
    "SpillFile",
    "Stop",
    "ZstdCompressor",
    "ZstdMissing",
    "blocks_ahead",
    "blocks_of",
    "check_outputs",
    "compressor_of",
    "descriptor_of",
    "is_special",
    "publish_all",
    "read_plain",
    "read_regular",
    "reject_line_pieces",
    "reject_lines",
    "remove_dead",
    "text_of",
    "total_bytes",
]

_MODULES = {
    ".compressors": ("Compressor", "GzipCompressor", "ZstdCompressor", "compressor_of"),
    ".inputs": ("BLOCK_BYTES", "InputFault", "blocks_ahead", "blocks_of", "read_plain"),
    ".outputs": ("Output", "OutputFault", "publish_all"),
    ".paths": ("STANDARD_STREAM", "PathError", "check_outputs", "descriptor_of", "text_of", "total_bytes"),
    ".read_ahead": ("ReadAhead", "Stop"),
    ".regular": ("is_special", "read_regular"),
    ".reject_lines": ("reject_line_pieces", "reject_lines"),
    ".spill_file": ("SpillFile",),
    ".temporaries": ("remove_dead",),
    ".zstd_library": ("ZstdMissing",),
}

if not TYPE_CHECKING:
    from ..lazy import lazy_names

    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
