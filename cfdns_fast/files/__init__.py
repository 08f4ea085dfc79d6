"""Files at scale: folders and buckets as inputs and outputs of resumable conversions, and Parquet.

- `backfill`: `convert`, `plan`, `preview`, `run_task`, `status` and `dataset`, the directory mode.
- `layout`, `schema`, `parquet`, `partitions`: Parquet files.
- `stores`, `local_store`, `object_store`: folders and buckets with the same methods.
- `listing`: the inputs of a conversion, by their names.

Each name is imported at first use, because the libraries for object stores and Parquet are optional.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .backfill import FORMATS, convert, dataset, plan, preview, run_task, status
    from .errors import STORE_CODES, FilesError, StoreError
    from .layout import Layout
    from .reports import FaultyInput, Preview, Progress, Report, Status, TaskFailure
    from .stores import Entry, Store, StoreOptions, open_store
    from .tasks import InputReport, OutputFile, Task, TaskInput, TaskReport

__all__ = [
    "FORMATS",
    "STORE_CODES",
    "Entry",
    "FaultyInput",
    "FilesError",
    "InputReport",
    "Layout",
    "OutputFile",
    "Preview",
    "Progress",
    "Report",
    "Status",
    "Store",
    "StoreError",
    "StoreOptions",
    "Task",
    "TaskFailure",
    "TaskInput",
    "TaskReport",
    "convert",
    "dataset",
    "open_store",
    "plan",
    "preview",
    "run_task",
    "status",
]

_MODULES = {
    ".backfill": ("FORMATS", "convert", "dataset", "plan", "preview", "run_task", "status"),
    ".errors": ("STORE_CODES", "FilesError", "StoreError"),
    ".layout": ("Layout",),
    ".reports": ("FaultyInput", "Preview", "Progress", "Report", "Status", "TaskFailure"),
    ".stores": ("Entry", "Store", "StoreOptions", "open_store"),
    ".tasks": ("InputReport", "OutputFile", "Task", "TaskInput", "TaskReport"),
}

if not TYPE_CHECKING:
    from ..lazy import lazy_names

    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
