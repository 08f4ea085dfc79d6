"""The Parquet files of the tasks that are done, as a dataset of pyarrow."""

from __future__ import annotations

import os
from typing import Any

import pyarrow
import pyarrow.dataset
import pyarrow.fs

from .errors import FilesError
from .head import check_version, layout_of, normalizer_of
from .layout import Layout
from .open_tasks import current_tasks
from .schema import schema_of
from .state import State
from .store import Store

__all__ = ["dataset_of"]


def dataset_of(state: State, output: Store) -> pyarrow.dataset.Dataset:
    """Return the dataset; raises FilesError if the output is not one of Parquet files, and StoreError."""
    head = state.head()
    if head is None:
        raise FilesError("files.state", f"{state.url}: holds no state of cfdns-fast")
    check_version(head, output.url)
    if head["format"] != "parquet":
        raise FilesError("files.options", f"{output.url}: holds {head['format']} files, not Parquet")
    layout = layout_of(head)
    names = [file.name for each in current_tasks(state) if each.report is not None for file in each.report.outputs]
    if output.is_local:
        root = output.location[1]
        filesystem: Any = pyarrow.fs.SubTreeFileSystem(root.rstrip(os.sep), pyarrow.fs.LocalFileSystem())
    else:
        filesystem = pyarrow.fs.PyFileSystem(_StoreHandler(output))
    return pyarrow.dataset.FileSystemDataset.from_paths(
        names,
        schema=_schema(schema_of(normalizer_of(head), layout), layout),
        format=pyarrow.dataset.ParquetFileFormat(),
        filesystem=filesystem,
        partitions=[_expression(name, layout) for name in names],
    )


def _schema(schema: pyarrow.Schema, layout: Layout) -> pyarrow.Schema:
    for name in layout.partition_by:
        schema = schema.append(pyarrow.field(name, _PARTITION_TYPES[name]))
    return schema


#: The types that pyarrow finds itself in names of folders.
_PARTITION_TYPES = {"date": pyarrow.string(), "hour": pyarrow.int32(), "eventDay": pyarrow.int32()}


def _expression(name: str, layout: Layout) -> Any:
    """Return what is true for all rows of a file, by its folders."""
    found: Any = pyarrow.dataset.scalar(True)
    for column, folder in zip(layout.partition_by, name.split("/"), strict=False):
        value = folder.partition("=")[2]
        field = pyarrow.dataset.field(column)
        if value.startswith("__"):
            found = found & field.is_null()
        else:
            found = found & (field == (value if column == "date" else int(value)))
    return found


class _StoreHandler(pyarrow.fs.FileSystemHandler):  # type: ignore[misc]
    """A store as a file system of pyarrow that is only read. Files are read whole, because stores have no ranges."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _StoreHandler) and other._store.location == self._store.location

    def get_type_name(self) -> str:
        return "cfdns_fast"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[Any]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: Any) -> list[Any]:
        raise NotImplementedError("this file system is for files with known names")

    def open_input_stream(self, path: str) -> Any:
        return pyarrow.BufferReader(self._store.read(path))

    def open_input_file(self, path: str) -> Any:
        return pyarrow.BufferReader(self._store.read(path))

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        raise NotImplementedError("this file system is only read")

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        raise NotImplementedError("this file system is only read")

    def create_dir(self, path: str, recursive: bool) -> None:
        raise NotImplementedError("this file system is only read")

    def delete_dir(self, path: str) -> None:
        raise NotImplementedError("this file system is only read")

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        raise NotImplementedError("this file system is only read")

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("this file system is only read")

    def delete_file(self, path: str) -> None:
        raise NotImplementedError("this file system is only read")

    def move(self, src: str, dest: str) -> None:
        raise NotImplementedError("this file system is only read")

    def copy_file(self, src: str, dest: str) -> None:
        raise NotImplementedError("this file system is only read")

    def _info(self, path: str) -> Any:
        size = self._store.size(path)
        if size is None:
            return pyarrow.fs.FileInfo(path, pyarrow.fs.FileType.NotFound)
        return pyarrow.fs.FileInfo(path, pyarrow.fs.FileType.File, size=size)
