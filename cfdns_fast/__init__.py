"""Cloudflare DNS logs to Elastic Common Schema events, fast and without loss.

`parse` converts one record; a `Normalizer` converts batches, and streams of blocks; `split_domain` splits one name.
Errors are subclasses of `CfdnsError`.
"""

# Type checkers assume that it is true. The module typing takes longer to import than this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._core import Rejects
    from .domains import DomainParts, split_domain
    from .errors import CfdnsError, EngineError, InputFormatError, MappingError, RecordError
    from .normalizer import Normalizer, parse
    from .results import Detection, EventIterator, Reject, RejectSpill, Result, Stream

    # To a type checker, a function for attributes means that a module has every attribute.
    __version__: str

__all__ = [
    "CfdnsError",
    "Detection",
    "DomainParts",
    "EngineError",
    "EventIterator",
    "InputFormatError",
    "MappingError",
    "Normalizer",
    "RecordError",
    "Reject",
    "RejectSpill",
    "Rejects",
    "Result",
    "Stream",
    "parse",
    "split_domain",
]

_MODULES = {
    "._core": ("Rejects",),
    ".domains": ("DomainParts", "split_domain"),
    ".errors": ("CfdnsError", "EngineError", "InputFormatError", "MappingError", "RecordError"),
    ".normalizer": ("Normalizer", "parse"),
    ".results": ("Detection", "EventIterator", "Reject", "RejectSpill", "Result", "Stream"),
}

if not TYPE_CHECKING:
    from importlib.machinery import PathFinder

    if PathFinder.find_spec(f"{__name__}._core.boundary", [f"{folder}/_core" for folder in __path__]) is None:
        # Raises an ImportError that says what to do, unless another finder has the core.
        from . import _core  # noqa: F401

    from .lazy import lazy_names

    # Names are imported at first use, because the command imports this package before it can handle signals.
    _get_name, _list_names = lazy_names(globals(), _MODULES)

    def __getattr__(name):
        from importlib import import_module

        if name == "__version__":
            # Reading the installed metadata costs 50 ms, half of importing the package.
            metadata = import_module("importlib.metadata")
            try:
                return metadata.version("cfdns-fast")
            except metadata.PackageNotFoundError:
                return "0+unknown"  # only the folder is here, on PYTHONPATH or shipped to a cluster
        if f".{name}" in _MODULES:
            return import_module(f".{name}", __name__)
        return _get_name(name)

    def __dir__():
        return sorted({*_list_names(), *(module[1:] for module in _MODULES)})
