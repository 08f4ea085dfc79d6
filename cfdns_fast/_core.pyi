from collections.abc import Callable
from typing import Any, Self, TypeVar, final

from typing_extensions import Buffer

from .columns import Columns
from .results import Reject, Result

_Batch = TypeVar("_Batch")

BROKEN_PLACE: int
LINES_PLACE: int
BROKEN_LINE_PLACE: int
REUSES_EVENTS: bool

def active_kernel() -> str: ...
def available_kernels() -> list[str]: ...
def first_bytes(data: Buffer, most_bytes: int) -> bytes: ...

@final
class SuffixTable:
    def __new__(cls, node_flags: bytes, edges: list[tuple[int, bytes, int]], folds: list[tuple[int, int]]) -> Self: ...

@final
class Plan:
    def __new__(
        cls,
        *,
        sources: list[str],
        inputs: list[tuple[list[int], bool, list[tuple[int, int, int, int, int]]]],
        enumerations: list[tuple[str, tuple[tuple[int | None, object], ...]]],
        members: list[tuple[str, ...]],
        firsts: list[tuple[int, list[int]]],
        collections: list[tuple[int, list[int]]],
        verdicts: list[tuple[int, int]],
        problems_slot: int | None,
        slot_count: int,
        steps: list[tuple[int, int, bytes, bytes]],
        dict_pattern: dict[str, Any],
        dict_steps: list[tuple[Any, ...]],
        columns: Columns,
        suffixes: SuffixTable,
        timestamp_unit: int,
        max_record_bytes: int,
        record_delimiter: bytes = b"",
    ) -> Self: ...
    @property
    def columns(self) -> Columns: ...
    def to_ndjson(self, data: Buffer, *, raise_on_reject: bool = False, threads: int = 1) -> Result[bytes]: ...
    def document_to_ndjson(self, data: Buffer, *, raise_on_reject: bool = False) -> Result[bytes]: ...
    def to_ndjson_part(
        self,
        data: Buffer,
        *,
        final: bool,
        line_state: int,
        whole_rejects: bool,
        lines_before: int,
        bytes_before: int,
        threads: int = 1,
    ) -> tuple[Result[bytes], tuple[int, int, int, bool]]: ...
    def document_part_to_ndjson(
        self,
        data: Buffer,
        *,
        final: bool,
        place: int,
        whole_rejects: bool,
        lines_before: int,
        bytes_before: int,
    ) -> tuple[Result[bytes], tuple[int, int, int, bool]]: ...
    def long_record_bytes(self) -> int: ...
    def long_item_bytes(self) -> int: ...
    def blank_bytes(self, data: Buffer) -> int: ...
    def look_into(self, data: Buffer, *, line_bytes: int, final: bool) -> tuple[int, bool | None, bool, str]: ...
    def to_arrow(
        self,
        data: Buffer,
        take: Callable[[int], _Batch],
        *,
        raise_on_reject: bool = False,
        threads: int = 1,
        document: bool = False,
    ) -> Result[_Batch]: ...
    def to_dicts(
        self, data: Buffer, *, raise_on_reject: bool = False, document: bool = False
    ) -> Result[list[dict[str, Any]]]: ...
    def iter_dicts(self, data: Buffer, *, raise_on_reject: bool = False, document: bool = False) -> EventIterator: ...
    def parse(self, data: Buffer) -> dict[str, Any]: ...

@final
class LongRecord:
    def __new__(cls, plan: Plan) -> Self: ...
    def read(self, data: Buffer, *, final: bool) -> tuple[int, bool]: ...

@final
class LongItem:
    def __new__(cls, place: int) -> Self: ...
    def read(self, data: Buffer, *, final: bool) -> tuple[int, str, int]: ...

@final
class EventIterator:
    @property
    def events(self) -> int: ...
    @property
    def blank(self) -> int: ...
    @property
    def rejects(self) -> tuple[Reject, ...]: ...
    @property
    def problems(self) -> dict[str, int]: ...
    def __iter__(self) -> EventIterator: ...
    def __next__(self) -> dict[str, Any]: ...
