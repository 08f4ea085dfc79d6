# cython: language_level=3, binding=True, embedsignature=True, boundscheck=False, freethreading_compatible=True
# distutils: language = c++
"""The boundary between Python and the compiled core: buffer in, result out.

It knows no DNS and no ECS. The GIL is released while a batch becomes NDJSON. C++ never sees a Python object; dicts are
built here, from the same steps and values as NDJSON.
"""

# No list comprehensions here: where the list cannot grow, Cython 3.3.1 releases the item twice.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint8_t, uint64_t, uintptr_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.utility cimport move
from libcpp.vector cimport vector

from cfdns_fast._core.cpp cimport (
    ArrowArray, ArrowBatch, Batch, BatchState, CArrowPlan, CLongItem, CLongRecord, CPlan, CReject, CRejectList, CSuffixTable,
    Cursor, DictBuilder, DictPlaces, DocumentSplitter, Engine, Event, Found, LongOutcome, Members, OutputRoom,
    ParallelNdjson, Reach, RejectCode, ShortTexts, Slice, TimestampUnit, Turn, ask_for_huge_pages, broken_place,
    c_active_kernel, c_available_kernels, can_throw, cfdns_engine_error, cfdns_pause_gc, cfdns_resume_gc, line_padded,
    line_read, lines_place, max_byte_length, skip_brackets, skip_line_space, string_view,
)

import json

from ..errors import PROBLEM_CODES, REJECT_CODES, EngineError, RecordError
from ..results import RAW_LIMIT_BYTES, Reject, Result
from ..signatures import FIRST_BYTES, SECOND_BYTES


cfdns_engine_error = <PyObject*>EngineError
#: Whether values are written into copied dicts by index: not without the GIL, or if CFDNS_DICT_PLACES is 0.
DICT_PLACES = <bint>DictPlaces.try_out()
cdef tuple _FIELD_CODES = tuple(PROBLEM_CODES)[:3]
cdef str _UNKNOWN_KEY = tuple(PROBLEM_CODES)[3]
# A part of a stream stops after this much output, or where several threads convert, after this much of one piece: records of
# a few bytes become events of many times their size.
cdef size_t _MAX_OUTPUT_BYTES = 4 << 20
cdef size_t _MAX_PART_BYTES = 1 << 20
#: States of a line for Plan.to_ndjson_part: something of it was read; NULs were skipped that are not counted yet.
LINE_READ = <int>line_read
LINE_PADDED = <int>line_padded
BROKEN_PLACE = <int>broken_place
LINES_PLACE = <int>lines_place
BROKEN_LINE_PLACE = BROKEN_PLACE | LINES_PLACE


include "buffers.pxi"
include "first_look.pxi"
include "plan_parts.pxi"
include "rejects.pxi"
include "look_into.pxi"


def active_kernel():
    """Return the name of the simdjson kernel at work (``icelake``, ``haswell``, ``westmere``, ``arm64``, ``fallback``, …)."""
    return c_active_kernel().decode()


def available_kernels():
    """Return the names of the simdjson kernels that this CPU can run."""
    return list(map(bytes.decode, c_available_kernels()))


# It refers to immutable objects alone, so it is part of no cycle; and gc.get_referents() shows nothing of it.
@cython.no_gc
cdef class Plan:
    """What to do with every record, decided once by plan.py. Immutable; safe to use from many threads."""

    cdef readonly object columns  # of Arrow batches
    cdef shared_ptr[Engine] engine
    cdef shared_ptr[CArrowPlan] arrow
    cdef DictBuilder dicts
    cdef tuple problem_keys  # as Event.problems counts them

    def __cinit__(self, *, list sources, size_t key_count, list inputs, list enumerations, list members, list firsts,
                  list collections, list verdicts, problems_slot, size_t slot_count, list steps, tuple dict_patterns, tuple dict_steps,
                  columns, SuffixTable suffixes not None, int timestamp_unit, size_t max_record_bytes,
                  bytes record_delimiter=b""):
        cdef CPlan* plan
        cdef bytes text
        cdef bytes json_key
        cdef bytes plain_text
        _check_memory()
        self.columns = columns
        self.arrow = _arrow_plan(columns)
        self.engine = make_shared[Engine]()
        self.engine.get().set_delimiter(_view(record_delimiter))
        plan = &self.engine.get().plan
        plan.suffixes = <shared_ptr[const CSuffixTable]>suffixes.table
        plan.max_record_bytes = max_record_bytes
        plan.slot_count = slot_count
        plan.unit = <TimestampUnit>timestamp_unit
        plan.key_count = key_count
        problem_keys = [_UNKNOWN_KEY]
        for key in sources:
            text = key.encode()
            plan.add_source(_view(text))
            for code in _FIELD_CODES:
                # A text of its own: a key of the mapping may be an object that Python code can reach.
                problem_keys.append(f"{code}:{key}".encode().decode())
        for problem_key in problem_keys:
            text = problem_key.encode()
            plan.add_problem_text(_view(text))
        self.problem_keys = tuple(problem_keys)
        for input_sources, required, readings in inputs:
            plan.add_input(input_sources[0], required)
            for source in input_sources[1:]:
                plan.add_other(source)
            for kind, element, flags, slot, table in readings:
                plan.add_reading(kind, element, flags, slot, table)
        for unassigned, names in enumerations:
            text = unassigned.encode()
            plan.add_enumeration(_view(text))
            self.dicts.add_enumeration()
            self.dicts.add_name(<PyObject*>None)
            for number, name in names:
                text = _json_text(name)
                plain_text = str(name).encode()
                if number is None:
                    plan.add_name(_view(text), _view(plain_text))
                else:
                    plan.add_numbered(number, _view(text), _view(plain_text))
                self.dicts.add_name(<PyObject*>name)
        for keys in members:
            plan.add_members()
            self.dicts.add_members()
            for key in keys:
                text = key.encode()
                json_key = b'"' + _json_text(key) + b'":'
                plan.add_member(_view(text), _view(json_key))
                self.dicts.add_member(<PyObject*>key)
        for slot, slots in firsts:
            plan.add_first(slot)
            for source in slots:
                plan.add_first_from(source)
        for slot, slots in collections:
            plan.add_collection(slot)
            for source in slots:
                plan.add_collection_from(source)
        for slot, table in verdicts:
            plan.add_verdict(slot, table)
        if problems_slot is not None:
            plan.set_problems_slot(problems_slot, len(", ".join(self.problem_keys).encode()))
        for what, slot, before, after in steps:
            plan.add_step(what, slot, _view(before), _view(after))
        for holds_containers, keys_and_constants in dict_patterns:
            self._add_pattern(keys_and_constants, holds_containers)
        for what, slot, index, key, items, flag in dict_steps:
            self.dicts.add_step(what, slot, index, <PyObject*>key, <PyObject*>items, flag)

    # A function of its own: no reference to the pattern remains.
    cdef int _add_pattern(self, tuple keys_and_constants, bint holds_containers) except -1:
        cdef dict pattern = {}
        for key, constant in keys_and_constants:
            # One object for each place: the references of a single None would be counted one after another, in one place of
            # memory.
            pattern[key] = object() if constant is None else constant
        self.dicts.add_pattern(<PyObject*>pattern, holds_containers)
        return 0

    def to_ndjson(self, data, *, bint raise_on_reject=False, size_t threads=1):
        """Convert a batch; see Normalizer.to_ndjson."""
        result, _ = self._convert(data, raise_on_reject, True, 0, _RAW_LIMIT_BYTES, 0, 0, threads)
        return result

    def to_ndjson_part(self, data, *, bint final, uint8_t line_state, bint whole_rejects, uint64_t lines_before,
                       uint64_t bytes_before, size_t threads=1):
        """Convert the next part: (Result, (bytes consumed, newlines among them, state of the line, more)).

        `more`: there is more to convert, because the output has reached 4 MiB, or 1 MiB of one thread. The state says what was
        read of the line where the part stops: 0 nothing, 1 only space, 2 something else, and LINE_PADDED besides if NULs were
        skipped that are not counted yet. The first one is 0.

        With whole_rejects, rejects carry all of their bytes. Positions count what came before.
        """
        cdef size_t raw_limit_bytes = <size_t>-1 if whole_rejects else _RAW_LIMIT_BYTES
        return self._convert(data, False, final, line_state, raw_limit_bytes, lines_before, bytes_before, threads, -1,
                             _MAX_OUTPUT_BYTES)

    def document_to_ndjson(self, data, *, bint raise_on_reject=False):
        """Convert a batch that is a JSON document, or several; see Normalizer.to_ndjson."""
        result, _ = self._convert(data, raise_on_reject, True, 0, _RAW_LIMIT_BYTES, 0, 0, 1, 0)
        return result

    def document_part_to_ndjson(self, data, *, bint final, int place, bint whole_rejects, uint64_t lines_before,
                                uint64_t bytes_before):
        """Convert the next part of a document: (Result, (bytes consumed, newlines among them, place it stops at, more)).

        The first place is 0. At BROKEN_PLACE nothing that follows can be read; a part that is final says so in a reject.
        At BROKEN_LINE_PLACE that is true up to the next newline, where LINES_PLACE begins.
        """
        cdef size_t raw_limit_bytes = <size_t>-1 if whole_rejects else _RAW_LIMIT_BYTES
        return self._convert(data, False, final, 0, raw_limit_bytes, lines_before, bytes_before, 1, place,
                             _MAX_OUTPUT_BYTES)

    def long_record_bytes(self):
        """Return the most bytes of an unfinished NDJSON record that may be a record; a longer one is a reject."""
        cdef Engine* engine = self.engine.get()
        return max(engine.plan.max_record_bytes, <size_t>3) + CLongRecord.margin_bytes(engine.delimiter())

    def long_item_bytes(self):
        """Return the most bytes of an unfinished value in a document that may be a record, or the start of a delimiter."""
        cdef Engine* engine = self.engine.get()
        # A CR after the value may belong to the line end.
        return max(engine.plan.max_record_bytes, max(engine.delimiter().size(), <size_t>3)) + 1

    def blank_bytes(self, data):
        """Return how many bytes of space NDJSON data begins with that may stand before a record."""
        cdef Py_buffer view
        _get_buffer(data, &view)
        try:
            at = <const char*>view.buf
            return skip_line_space(at, at + view.len) - at
        finally:
            PyBuffer_Release(&view)

    def look_into(self, data, *, size_t line_bytes, bint final):
        """Say what begins with the bracket at the start of data, of which the first line has line_bytes bytes.

        Returns
        -------
        end : int
            Where its brackets balance, if that is in the first line; else -1.
        wrapper : bool or None
            Whether it is an array, or an object around records; None if later data must tell.
        frame : bool
            Whether it is an object in the first line that is nothing but the frame of a record.
        later : str
            If it does not end in the first line: ``"item"`` if an element or the whole ends in a later one,
            ``"fault"`` if before that something cannot be read, ``"end"`` if neither happens in data.
        """
        return _look_into(self.engine, data, line_bytes, final)

    # `place`: where the data begins in a document; lines have none. Documents are for one thread.
    cdef tuple _convert(self, data, bint raise_on_reject, bint final, uint8_t line_state, size_t raw_limit_bytes,
                        uint64_t lines_before, uint64_t bytes_before, size_t threads, int place=-1,
                        size_t max_output_bytes=<size_t>-1):
        cdef Py_buffer view
        cdef Slice input
        _check_memory()
        _get_buffer(data, &view)
        try:
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            threads = min(threads, ParallelNdjson.most_threads(input.size_bytes))
            if threads > 1:
                return self._convert_parallel(
                    input, raise_on_reject, final, line_state, raw_limit_bytes, lines_before, bytes_before, threads,
                    max_output_bytes
                )
            return self._convert_alone(
                input, raise_on_reject, final, line_state, raw_limit_bytes, lines_before, bytes_before, place,
                max_output_bytes
            )
        finally:
            PyBuffer_Release(&view)

    cdef tuple _convert_alone(self, Slice input, bint raise_on_reject, bint final, uint8_t line_state,
                              size_t raw_limit_bytes, uint64_t lines_before, uint64_t bytes_before, int place,
                              size_t max_output_bytes):
        cdef unique_ptr[Cursor] cursor
        cdef unique_ptr[Batch] batch
        cdef BatchState state
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        try:
            cursor = self.engine.get().borrow()
            cursor.get().start(input, final, line_state, raw_limit_bytes)
            if place >= 0:
                cursor.get().read_document(place)
            batch.reset(new Batch(cursor.get()[0]))
            batch.get().max_rejects = Batch.rejects_of(max_output_bytes)
            output = self._new_output(input.size_bytes, max_output_bytes, &capacity_bytes)
            while True:
                memory = PyBytes_AsString(<object>output)
                ask_for_huge_pages(memory, capacity_bytes)
                with nogil:
                    state = batch.get().run(self.engine.get().plan, memory, capacity_bytes, raise_on_reject,
                                            max_output_bytes)
                if state != BatchState.full:
                    break
                capacity_bytes = capacity_bytes + capacity_bytes // 2 + batch.get().wanted_bytes
                _resize(&output, capacity_bytes)
            if state == BatchState.refused:
                raise RecordError(*_reject_fields(batch.get().rejects.at(batch.get().rejects.size() - 1)))
            cursor.get().pause()
            self._cut_output(&output, cursor.get().consumed_bytes(), capacity_bytes, batch.get().written_bytes)
            result = self._result(<object>output, cursor.get().events, cursor.get().blank, batch.get().rejects,
                                  cursor.get().event.problems, lines_before, bytes_before)
            stop = cursor.get().place() if place >= 0 else cursor.get().line_state()
            more = state == BatchState.paused
            return result, (cursor.get().consumed_bytes(), cursor.get().newlines(), stop, more)
        finally:
            _release(output)
            batch.reset()
            if cursor.get() != NULL:
                self.engine.get().give_back(move(cursor))

    cdef tuple _convert_parallel(self, Slice input, bint raise_on_reject, bint final, uint8_t line_state,
                                 size_t raw_limit_bytes, uint64_t lines_before, uint64_t bytes_before, size_t threads,
                                 size_t max_output_bytes):
        cdef unique_ptr[ParallelNdjson] batch
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        batch.reset(
            new ParallelNdjson(self.engine.get()[0], input, final, line_state, raw_limit_bytes, raise_on_reject)
        )
        if max_output_bytes != <size_t>-1:
            batch.get().max_part_bytes = _MAX_PART_BYTES
        try:
            output = self._new_output(input.size_bytes, max_output_bytes, &capacity_bytes)
            memory = PyBytes_AsString(<object>output)
            ask_for_huge_pages(memory, capacity_bytes)
            with nogil:
                batch.get().run(threads, memory, capacity_bytes)
            if raise_on_reject and batch.get().rejects.size() != 0:
                raise RecordError(*_reject_fields(batch.get().rejects.at(0)))
            if batch.get().written_bytes > capacity_bytes:
                capacity_bytes = batch.get().written_bytes
                _resize(&output, capacity_bytes)
                batch.get().finish(PyBytes_AsString(<object>output))
            self._cut_output(&output, batch.get().consumed_bytes, capacity_bytes, batch.get().written_bytes)
            result = self._result(<object>output, batch.get().events, batch.get().blank, batch.get().rejects,
                                  batch.get().problems, lines_before, bytes_before)
            return result, (
                batch.get().consumed_bytes, batch.get().newlines, batch.get().line_state, batch.get().is_cut
            )
        finally:
            _release(output)

    # Bytes to write to, with room for what the input will probably become.
    cdef PyObject* _new_output(self, size_t input_bytes, size_t max_output_bytes, size_t* capacity_bytes) except NULL:
        capacity_bytes[0] = self.engine.get().room.capacity(input_bytes)
        if max_output_bytes != <size_t>-1:
            # Several threads may write a little more than a part each.
            capacity_bytes[0] = min(capacity_bytes[0], 3 * max_output_bytes)
        try:
            return _new_bytes(capacity_bytes[0])
        except MemoryError:
            # Untouched memory costs nothing, unless there is a limit on it: then begin small.
            capacity_bytes[0] = 4096 + input_bytes
            return _new_bytes(capacity_bytes[0])

    cdef int _cut_output(self, PyObject** output, size_t input_bytes, size_t capacity_bytes, size_t used_bytes) except -1:
        self.engine.get().room.learn(input_bytes, used_bytes)
        if OutputRoom.is_full(capacity_bytes, used_bytes):
            _set_size(output[0], used_bytes)
            return 0
        return _resize(output, used_bytes)

    cdef object _result(self, output, uint64_t events, uint64_t blank, CRejectList& rejects,
                        const vector[uint64_t]& problems, uint64_t lines_before, uint64_t bytes_before):
        return Result(
            output, events, blank, _taken_rejects(rejects, lines_before, bytes_before), self._problems(problems)
        )

    def to_arrow(self, data, take, *, bint raise_on_reject=False, size_t threads=1, bint document=False):
        """Convert a batch; see Normalizer.to_arrow.

        `take` is called with the address of a struct ArrowArray, which it empties, and returns what the output shall be.
        """
        cdef Py_buffer view
        cdef Slice input
        cdef ArrowArray array
        cdef unique_ptr[ArrowBatch] batch
        array.release = NULL
        _check_memory()
        _get_buffer(data, &view)
        try:
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            batch.reset(new ArrowBatch(self.engine.get()[0], self.arrow, input, _RAW_LIMIT_BYTES, raise_on_reject))
            with nogil:
                batch.get().run(threads, document)
            if raise_on_reject and batch.get().rejects.size() != 0:
                raise RecordError(*_reject_fields(batch.get().rejects.at(0)))
            batch.get().hand_over(array)
            output = take(<uintptr_t>&array)
            return self._result(output, batch.get().events, batch.get().blank, batch.get().rejects,
                                batch.get().problems, 0, 0)
        finally:
            PyBuffer_Release(&view)
            if array.release != NULL:
                array.release(&array)

    def to_dicts(self, data, *, bint raise_on_reject=False, bint document=False):
        """Convert a batch; see Normalizer.to_dicts."""
        cdef EventIterator iterator = EventIterator.__new__(EventIterator, self, data, raise_on_reject, document)
        cdef list output = []
        # New dicts are part of no cycle, and very many make the collector run again and again.
        iterator.pauses_gc = True
        iterator.resumes_gc = cfdns_pause_gc()
        try:
            while True:
                event = iterator.advance()
                if event is None:
                    break
                output.append(event)
        finally:
            cfdns_resume_gc(iterator.resumes_gc)
        return Result(output, iterator.events, iterator.blank, iterator.rejects, iterator.problems)

    def iter_dicts(self, data, *, bint raise_on_reject=False, bint document=False):
        """Convert a batch lazily; see Normalizer.iter_dicts."""
        return EventIterator.__new__(EventIterator, self, data, raise_on_reject, document)

    def parse(self, data):
        """Convert exactly one record; see cfdns_fast.parse."""
        cdef Py_buffer view
        cdef unique_ptr[Cursor] cursor
        cdef Turn turn
        cdef Slice input
        _check_memory()
        _get_buffer(data, &view)
        try:
            cursor = self.engine.get().borrow()
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            cursor.get().start(input, True, 0, _RAW_LIMIT_BYTES)
            turn = cursor.get().next()
            if turn == Turn.end:
                raise RecordError(*_whole(input, "record.empty"))
            failure = None
            event = None
            if turn == Turn.event:
                try:
                    event = self._dict(cursor.get().event, input, False, NULL)
                except UnicodeDecodeError:
                    # The record is valid: this is from what follows it, which is a second one, or the bytes have changed.
                    failure = RecordError(*_whole(input, "json.utf8"))
            else:
                failure = RecordError(*_reject_fields(cursor.get().reject))
            if cursor.get().next() != Turn.end:
                failure = RecordError(*_whole(input, "record.multiple"))
            if failure is not None:
                raise failure
            return event
        finally:
            PyBuffer_Release(&view)
            if cursor.get() != NULL:
                self.engine.get().give_back(move(cursor))

    cdef dict _problems(self, const vector[uint64_t]& counts):
        cdef dict problems = {}
        cdef size_t i
        for i in range(counts.size()):
            if counts[i] != 0:
                problems[self.problem_keys[i]] = counts[i]
        return problems

    cdef object _dict(self, const Event& event, Slice message, bint padded, ShortTexts* short_texts):
        cdef PyObject* made = self.dicts.build(event, message, padded, short_texts)
        result = <object>made
        _release(made)
        return result


include "event_iterator.pxi"
include "long_rejects.pxi"
