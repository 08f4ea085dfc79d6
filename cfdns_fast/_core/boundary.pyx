# cython: language_level=3, binding=True, embedsignature=True, boundscheck=False, freethreading_compatible=True
# distutils: language = c++
"""The boundary between Python and the compiled core: buffer in, result out.

It contains no rules of DNS or ECS. The GIL is released while a batch becomes NDJSON or Arrow. Only the C++ in `dicts`
uses Python objects; it builds events from the same values as NDJSON.
"""

# The boundary uses no list comprehensions, because Cython 3.3.1 releases the item twice if the list cannot grow.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memchr
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.utility cimport move
from libcpp.vector cimport vector

from cfdns_fast._core.cpp cimport (
    ArrowArray, ArrowBatch, Batch, BatchState, CArrowPlan, CLongItem, CLongRecord, CPlan, CReject, CRejectList,
    CDetection, CDetectionList, CMatchName, CMatcherSet, CNameHash, CNameMatch, CNameRow, CNameTable, CNameTableBuilder,
    CNetworkRow, CNetworkTable, CPredicates,
    CSliverDecoder, CSliverName, CSuffixTable, Cursor, Detector, DictBuilder, DictPlaces, DocumentSplitter, Engine, Event, Found, LongOutcome, Members,
    OutputRoom, ParallelNdjson, ReadOptions, RejectCode, ShortTexts, SkipResult, Slice, TimestampUnit, Turn,
    advise_huge_pages, broken_document, c_active_kernel, c_available_kernels, can_throw, cfdns_engine_error,
    cfdns_pause_gc, cfdns_resume_gc, count, line_padded, line_read, lines_document, max_byte_length, max_matched_bytes,
    padding_bytes, skip_brackets,
    skip_line_space, string_view,
)

import json

from ..errors import PROBLEM_CODES, REJECT_CODES, EngineError, RecordError
from ..results import RAW_LIMIT_BYTES, Detection, Reject, Result
from ..signatures import FIRST_BYTES, SECOND_BYTES


cfdns_engine_error = <PyObject*>EngineError
#: Whether values are written into copied dicts by index. False without the GIL, or if CFDNS_DICT_PLACES is 0.
DICT_PLACES = <bint>DictPlaces.try_out()


include "buffers.pxi"
include "enums.pxi"
include "first_look.pxi"
include "plan.pxi"
include "rejects.pxi"
include "matchers.pxi"
include "detections.pxi"
include "inspect_start.pxi"
include "converter.pxi"
include "readers.pxi"
include "event_iterator.pxi"


def active_kernel():
    """Return the name of the simdjson kernel in use, for example ``icelake``, ``haswell``, ``arm64``, ``fallback``."""
    return c_active_kernel().decode()


def available_kernels():
    """Return the names of the simdjson kernels that this CPU can run."""
    return list(map(bytes.decode, c_available_kernels()))
