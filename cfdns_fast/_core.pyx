# cython: language_level=3, binding=True, embedsignature=True, boundscheck=False
# distutils: language = c++
"""The boundary between Python and the compiled core: buffer in, result out.

It knows no DNS and no ECS. The GIL is released while a batch becomes NDJSON. C++ never sees a Python object; dicts are
built here, from the same steps and values as NDJSON.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

import json

from .errors import PROBLEM_CODES, REJECT_CODES, EngineError, RecordError
from .results import RAW_LIMIT_BYTES, Reject, Result


cdef extern from *:
    """
    #include "cfdns_fast/_native/batch.hpp"
    #include "cfdns_fast/_native/huge_pages.hpp"

    static PyObject* cfdns_engine_error = nullptr;

    // target[key] = item, or [item]. Takes over the reference to item, also where it fails.
    static int cfdns_set(PyObject* target, PyObject* key, PyObject* item, int array) {
      if (array) {
        PyObject* holder = PyList_New(1);
        if (holder == nullptr) {
          Py_DECREF(item);
          return -1;
        }
        PyList_SetItem(holder, 0, item);
        item = holder;
      }
      int result = PyDict_SetItem(target, key, item);
      Py_DECREF(item);
      return result;
    }

    // Padded, valid UTF-8 to str. Nearly all of it is ASCII, and then this takes half of what decoding takes: 650 of 17,300
    // instructions of an event, made and freed. The Limited API has no such call.
    static PyObject* cfdns_text(const char* data, size_t size_bytes) {
    #ifndef Py_LIMITED_API
      if (cfdns::is_ascii({data, size_bytes})) {
        PyObject* text = PyUnicode_New(static_cast<Py_ssize_t>(size_bytes), 127);
        if (text != nullptr) std::memcpy(PyUnicode_1BYTE_DATA(text), data, size_bytes);
        return text;
      }
    #endif
      return PyUnicode_DecodeUTF8(data, static_cast<Py_ssize_t>(size_bytes), nullptr);
    }

    // The str of texts of at most eight bytes, one object for all that are equal: colos, suffixes and many labels come again
    // and again. One place by hash, the newest stays. It spares 290 of 17,300 instructions of an event; with longer texts,
    // which recur too seldom, it cost more than it spared.
    class ShortTexts {
     public:
      ~ShortTexts() {
        for (Place& place : places_) Py_XDECREF(place.text);
      }

      // A new reference.
      PyObject* find(const char* data, size_t size_bytes) {
        uint64_t word = size_bytes == 0 ? 0 : cfdns::first_bytes(cfdns::load64(data), size_bytes);
        Place& place = places_[(word + size_bytes) * 0x9E3779B97F4A7C15u >> 56];
        if (place.text == nullptr || place.word != word || place.size_bytes != size_bytes) {
          PyObject* text = cfdns_text(data, size_bytes);
          if (text == nullptr) return nullptr;
          Py_XDECREF(place.text);
          place = {word, size_bytes, text};
        }
        Py_INCREF(place.text);
        return place.text;
      }

     private:
      struct Place {
        uint64_t word = 0;
        size_t size_bytes = 0;
        PyObject* text = nullptr;
      };
      Place places_[256];
    };

    // For `except +`: what C++ throws becomes EngineError or MemoryError.
    static void cfdns_raise() {
      try {
        throw;
      } catch (const cfdns::EngineFailure& failure) {
        PyErr_SetString(cfdns_engine_error, failure.what());
      } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
      } catch (const std::exception& other) {
        PyErr_SetString(PyExc_RuntimeError, other.what());
      }
    }
    """
    PyObject* cfdns_engine_error
    void cfdns_raise()
    int _set "cfdns_set"(PyObject*, PyObject*, PyObject*, bint) except -1
    int _PyBytes_Resize(PyObject**, Py_ssize_t) except -1
    int PyGC_Disable()
    int PyGC_Enable()
    # The same functions as in Cython's own declarations, on counted-by-hand references.
    void Py_INCREF(PyObject*)
    PyObject* PyDict_New() except NULL
    PyObject* PyDict_Copy(PyObject*) except NULL
    int PyDict_DelItem(PyObject*, PyObject*) except -1
    Py_ssize_t PyDict_Size(PyObject*) except -1
    PyObject* PyList_GetSlice(PyObject*, Py_ssize_t, Py_ssize_t) except NULL
    PyObject* PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*) except NULL
    PyObject* padded_text "cfdns_text"(const char*, size_t) except NULL
    cdef cppclass ShortTexts:
        PyObject* find(const char*, size_t) except NULL


cdef extern from "cfdns_fast/_native/batch.hpp" namespace "cfdns" nogil:
    cdef cppclass Slice:
        Slice()
        const char* data
        size_t size_bytes

    cdef cppclass CSuffixTable "cfdns::SuffixTable":
        CSuffixTable(string)
        void add_edge(uint32_t, Slice, uint32_t) except +cfdns_raise
        void add_fold(uint32_t, uint32_t) except +cfdns_raise
        void finish() except +cfdns_raise

    cdef cppclass string_view "std::string_view":
        string_view()
        string_view(const char*, size_t)

    cdef enum class TimestampUnit(uint8_t):
        pass

    cdef cppclass CPlan "cfdns::Plan":
        shared_ptr[const CSuffixTable] suffixes
        size_t max_record_bytes
        size_t slot_count
        TimestampUnit unit
        void add_source(string_view, cbool) except +cfdns_raise
        void add_reading(int, size_t, size_t, cbool) except +cfdns_raise
        void add_enumeration() except +cfdns_raise
        void add_name(uint32_t, string_view) except +cfdns_raise
        void add_step(int, size_t, string_view, string_view) except +cfdns_raise

    cdef enum class ValueType(uint8_t):
        absent
        text
        name
        integer
        boolean

    cdef cppclass Value:
        ValueType type
        Slice text
        int64_t integer
        uint16_t name

    cdef cppclass Event:
        vector[Value] values
        vector[uint64_t] problems

    cdef enum class RejectCode(uint8_t):
        pass

    cdef cppclass CReject "cfdns::Reject":
        uint64_t line
        uint64_t byte_offset
        uint64_t byte_length
        RejectCode code
        string raw

    cdef enum class Turn(uint8_t):
        event
        reject
        end

    cdef cppclass Cursor:
        void start(Slice, cbool, cbool, size_t) except +cfdns_raise
        Turn next() except +cfdns_raise
        Slice message()
        Event event
        CReject reject
        uint64_t blank
        uint64_t events
        uint64_t consumed_bytes()
        uint64_t newlines()
        cbool mid_line()

    cdef enum class BatchState(uint8_t):
        end
        full
        refused

    cdef cppclass Batch:
        Batch(Cursor&)
        BatchState run(const CPlan&, char*, size_t, cbool) except +cfdns_raise
        size_t written_bytes
        size_t wanted_bytes
        vector[CReject] rejects

    void ask_for_huge_pages(void*, size_t)

    cdef cppclass Engine:
        Engine() except +cfdns_raise
        CPlan plan
        unique_ptr[Cursor] borrow() except +cfdns_raise
        void give_back(unique_ptr[Cursor])

    string c_active_kernel "cfdns::active_kernel"() except +cfdns_raise
    vector[string] c_available_kernels "cfdns::available_kernels"() except +cfdns_raise


cfdns_engine_error = <PyObject*>EngineError
cdef tuple _REJECT_CODES = tuple(REJECT_CODES)
cdef tuple _PROBLEM_CODES = tuple(PROBLEM_CODES)
cdef size_t _RAW_LIMIT_BYTES = RAW_LIMIT_BYTES


def active_kernel():
    """Return the name of the simdjson kernel at work (``icelake``, ``haswell``, ``westmere``, ``arm64``, ``fallback``, …)."""
    return c_active_kernel().decode()


def available_kernels():
    """Return the names of the simdjson kernels that this CPU can run."""
    return [name.decode() for name in c_available_kernels()]


cdef inline string_view _view(bytes text):
    return string_view(PyBytes_AS_STRING(text), len(text))


cdef inline Slice _slice(bytes text):
    cdef Slice slice = Slice()
    slice.data = PyBytes_AS_STRING(text)
    slice.size_bytes = len(text)
    return slice


cdef class SuffixTable:
    """Public-suffix rules, compiled; made by plan.py from what suffixes.py says. Immutable."""

    cdef shared_ptr[CSuffixTable] table

    def __cinit__(self, bytes node_flags, list edges, list folds):
        self.table = make_shared[CSuffixTable](<string>node_flags)
        for parent, label, child in edges:
            self.table.get().add_edge(parent, _slice(label), child)
        for upper, lower in folds:
            self.table.get().add_fold(upper, lower)
        self.table.get().finish()


cdef struct DictStep:
    int what
    size_t slot
    cbool array
    PyObject* key       # borrowed from Plan.keys
    PyObject* constant  # borrowed from Plan.constants


# The deepest mapping.py allows, and how many slots may share their objects between targets (more just do not).
cdef enum:
    DEEPEST = 32
    MOST_SHARED_SLOTS = 64


cdef enum:
    LITERAL
    OPEN
    CLOSE
    RAW
    VALUE


cdef class Plan:
    """What to do with every record, decided once by plan.py. Immutable; safe to use from many threads."""

    cdef shared_ptr[Engine] engine
    cdef vector[DictStep] dict_steps
    cdef list keys          # by dict step
    cdef list constants     # by dict step: what _fresh() takes
    cdef list names         # by enumeration and index: str
    cdef list problem_keys  # as Event.problems counts them
    cdef dict blank_event   # the top-level keys

    def __cinit__(self, *, list sources, list enumerations, size_t slot_count, list steps, list dict_steps,
                  SuffixTable suffixes not None, int timestamp_unit, size_t max_record_bytes):
        cdef CPlan* plan
        cdef DictStep dict_step
        cdef bytes text
        self.engine = make_shared[Engine]()
        plan = &self.engine.get().plan
        plan.suffixes = <shared_ptr[const CSuffixTable]>suffixes.table
        plan.max_record_bytes = max_record_bytes
        plan.slot_count = slot_count
        plan.unit = <TimestampUnit>timestamp_unit
        self.problem_keys = []
        for key, required, readings in sources:
            text = key.encode()
            plan.add_source(_view(text), required)
            self.problem_keys += [f"{code}:{key}" for code in _PROBLEM_CODES]
            for kind, slot, table, parts in readings:
                plan.add_reading(kind, slot, table, parts)
        self.names = []
        for table_names in enumerations:
            plan.add_enumeration()
            self.names.append([None] + [name for _, name in table_names])
            for number, name in table_names:
                text = json.dumps(name, ensure_ascii=False)[1:-1].encode()
                plan.add_name(number, _view(text))
        for what, slot, before, after in steps:
            plan.add_step(what, slot, _view(before), _view(after))
        self.keys = []
        self.constants = []
        # An event begins as a copy of this, which need not grow as its eight keys come; keys without a value go again. For
        # the smaller dicts within, inserting is cheaper than replacing.
        self.blank_event = {}
        depth = 0
        for what, slot, key, constant, array in dict_steps:
            dict_step.what = what
            dict_step.slot = slot
            dict_step.array = array
            if what == CLOSE:
                depth -= 1
            elif depth == 0:
                self.blank_event[key] = None
            if what == OPEN:
                depth += 1
            template = _template(constant)
            self.keys.append(key)
            self.constants.append(template)
            dict_step.key = <PyObject*>key
            dict_step.constant = <PyObject*>template
            self.dict_steps.push_back(dict_step)

    def to_ndjson(self, data, *, bint raise_on_reject=False):
        """Convert a batch; see Normalizer.to_ndjson."""
        result, _ = self._convert(data, raise_on_reject, True, False, _RAW_LIMIT_BYTES, 0, 0)
        return result

    def to_ndjson_part(self, data, *, bint final, bint mid_line, bint whole_rejects, uint64_t lines_before,
                       uint64_t bytes_before):
        """Convert the next part of a stream: (Result, (bytes consumed, newlines among them, whether it stops mid-line)).

        With whole_rejects, rejects carry all of their bytes. Positions count what came before.
        """
        cdef size_t raw_limit_bytes = <size_t>-1 if whole_rejects else _RAW_LIMIT_BYTES
        return self._convert(data, False, final, mid_line, raw_limit_bytes, lines_before, bytes_before)

    cdef tuple _convert(self, data, bint raise_on_reject, bint final, bint mid_line, size_t raw_limit_bytes,
                        uint64_t lines_before, uint64_t bytes_before):
        cdef Py_buffer view
        cdef unique_ptr[Cursor] cursor
        cdef unique_ptr[Batch] batch
        cdef BatchState state
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        cdef Slice input
        _get_buffer(data, &view)
        try:
            cursor = self.engine.get().borrow()
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            cursor.get().start(input, final, mid_line, raw_limit_bytes)
            batch.reset(new Batch(cursor.get()[0]))
            # Events are about 3.7 times their records with the message, and memory that is not touched costs nothing,
            # unless there is a limit on it: then begin small.
            capacity_bytes = 4096 + <size_t>view.len * 4
            try:
                output = _new_bytes(capacity_bytes)
            except MemoryError:
                capacity_bytes = 4096 + <size_t>view.len
                output = _new_bytes(capacity_bytes)
            while True:
                memory = PyBytes_AS_STRING(<object>output)
                ask_for_huge_pages(memory, capacity_bytes)
                with nogil:
                    state = batch.get().run(self.engine.get().plan, memory, capacity_bytes, raise_on_reject)
                if state != BatchState.full:
                    break
                capacity_bytes = capacity_bytes + capacity_bytes // 2 + batch.get().wanted_bytes
                _PyBytes_Resize(&output, capacity_bytes)
            if state == BatchState.refused:
                raise RecordError(*_reject_fields(batch.get().rejects.back()))
            _PyBytes_Resize(&output, batch.get().written_bytes)
            result = Result(
                <object>output,
                cursor.get().events,
                cursor.get().blank,
                tuple([
                    Reject(*_reject_fields(reject, lines_before, bytes_before)) for reject in batch.get().rejects
                ]),
                self._problems(cursor.get().event.problems),
            )
            return result, (cursor.get().consumed_bytes(), cursor.get().newlines(), cursor.get().mid_line())
        finally:
            PyBuffer_Release(&view)
            _release(output)
            batch.reset()
            if cursor.get() != NULL:
                self.engine.get().give_back(move(cursor))

    def to_dicts(self, data, *, bint raise_on_reject=False):
        """Convert a batch; see Normalizer.to_dicts."""
        cdef EventIterator iterator = EventIterator.__new__(EventIterator, self, data, raise_on_reject)
        cdef list output = []
        # Many live dicts make the cyclic collector run again and again, and none of them is part of a cycle. The switch is
        # the process's: a thread that turns it off meanwhile finds it on again.
        cdef int collecting = PyGC_Disable()
        try:
            while True:
                event = iterator.advance()
                if event is None:
                    break
                output.append(event)
        finally:
            if collecting:
                PyGC_Enable()
        return Result(output, iterator.events, iterator.blank, iterator.rejects, iterator.problems)

    def iter_dicts(self, data, *, bint raise_on_reject=False):
        """Convert a batch lazily; see Normalizer.iter_dicts."""
        return EventIterator.__new__(EventIterator, self, data, raise_on_reject)

    def parse(self, data):
        """Convert exactly one record; see cfdns_fast.parse."""
        cdef Py_buffer view
        cdef unique_ptr[Cursor] cursor
        cdef Turn turn
        cdef Slice input
        _get_buffer(data, &view)
        try:
            cursor = self.engine.get().borrow()
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            cursor.get().start(input, True, False, _RAW_LIMIT_BYTES)
            turn = cursor.get().next()
            if turn == Turn.end:
                raise RecordError(*_whole(input, "record.empty"))
            failure = None
            event = None
            if turn == Turn.event:
                try:
                    event = self._dict(cursor.get().event, input, False, NULL)
                except UnicodeDecodeError:
                    pass  # the record is valid, so this is from what follows it, and that is a second one
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

    # References are counted by hand here: what Cython adds for safety cost a tenth of the whole event.
    cdef dict _dict(self, const Event& event, Slice message, bint message_padded, ShortTexts* short_texts):
        # Borrowed: the event owns all of them by the time they are used again.
        cdef PyObject* made[MOST_SHARED_SLOTS]
        cdef PyObject* parents[DEEPEST]
        cdef size_t depth = 0
        cdef dict top = self.blank_event.copy()
        cdef PyObject* current = <PyObject*>top
        cdef PyObject* item
        cdef const DictStep* step = self.dict_steps.data()
        cdef const DictStep* end = step + self.dict_steps.size()
        cdef const Value* value
        cdef bint share = event.values.size() <= MOST_SHARED_SLOTS
        if share:
            memset(made, 0, event.values.size() * sizeof(PyObject*))
        while step != end:
            if step.what == VALUE:
                value = &event.values[step.slot]
                if value.type == ValueType.absent:
                    if depth == 0:
                        PyDict_DelItem(current, step.key)
                elif share and made[step.slot] != NULL:
                    Py_INCREF(made[step.slot])
                    _set(current, step.key, made[step.slot], step.array)
                else:
                    if value.type != ValueType.text:
                        item = self._object(value)
                    elif value.text.size_bytes <= 8 and short_texts != NULL:
                        item = short_texts.find(value.text.data, value.text.size_bytes)
                    else:
                        item = padded_text(value.text.data, value.text.size_bytes)
                    made[step.slot if share else 0] = item
                    _set(current, step.key, item, step.array)
            elif step.what == LITERAL:
                _set(current, step.key, _fresh(step.constant), False)
            elif step.what == RAW:
                if message_padded:
                    item = padded_text(message.data, message.size_bytes)
                else:
                    item = PyUnicode_DecodeUTF8(message.data, message.size_bytes, NULL)
                _set(current, step.key, item, False)
            elif step.what == OPEN:
                # It goes into its parent at once, and out again if nothing stays in it.
                item = PyDict_New()
                parents[depth] = current
                depth += 1
                _set(current, step.key, item, False)
                current = item
            else:
                depth -= 1
                if PyDict_Size(current) == 0:
                    PyDict_DelItem(parents[depth], step.key)
                current = parents[depth]
            step += 1
        return top

    # A new reference to what is no text.
    cdef PyObject* _object(self, const Value* value) except NULL:
        cdef object made
        if value.type == ValueType.name:
            made = (<list>self.names[value.integer])[value.name]
        elif value.type == ValueType.boolean:
            made = value.integer != 0
        else:
            made = value.integer
        Py_INCREF(<PyObject*>made)
        return <PyObject*>made


cdef class EventIterator:
    """Events of one batch, built when they are asked for.

    Attributes
    ----------
    events, blank : int
    rejects : tuple of Reject
    problems : dict[str, int]
        As in `Result`; true for what was consumed so far, final at the end.

    Notes
    -----
    Not for several threads at once. It owns what it needs of the input.
    """

    cdef Plan plan
    cdef shared_ptr[Engine] engine  # of the plan; the garbage collector may have cleared that before __dealloc__
    cdef object data
    cdef unique_ptr[Cursor] cursor
    cdef ShortTexts short_texts
    cdef bint raise_on_reject
    cdef bint running
    cdef list refused

    def __cinit__(self, Plan plan not None, data, bint raise_on_reject):
        cdef Slice input
        self.plan = plan
        self.engine = plan.engine
        # Whatever is not bytes may change or vanish before the iterator is done.
        self.data = data if type(data) is bytes else _copy(data)
        self.raise_on_reject = raise_on_reject
        self.refused = []
        self.cursor = self.engine.get().borrow()
        input = _slice(self.data)
        self.cursor.get().start(input, True, False, _RAW_LIMIT_BYTES)

    def __dealloc__(self):
        if self.cursor.get() != NULL:
            self.engine.get().give_back(move(self.cursor))

    def __iter__(self):
        return self

    def __next__(self):
        event = self.advance()
        if event is None:
            raise StopIteration
        return event

    cdef object advance(self):
        cdef Cursor* cursor = self.cursor.get()
        cdef Turn turn
        if self.running:
            raise ValueError("iterator is already running")
        self.running = True
        try:
            while True:
                turn = cursor.next()
                if turn == Turn.event:
                    return self.plan._dict(cursor.event, cursor.message(), True, &self.short_texts)
                if turn == Turn.end:
                    return None
                self.refused.append(Reject(*_reject_fields(cursor.reject)))
                if self.raise_on_reject:
                    raise RecordError(*_reject_fields(cursor.reject))
        finally:
            self.running = False

    @property
    def events(self):
        return self.cursor.get().events

    @property
    def blank(self):
        return self.cursor.get().blank

    @property
    def rejects(self):
        return tuple(self.refused)

    @property
    def problems(self):
        return self.plan._problems(self.cursor.get().event.problems)


cdef int _get_buffer(object data, Py_buffer* view) except -1:
    if isinstance(data, str):
        raise TypeError("data must be bytes-like, not str: encode it first, for example data.encode('utf-8')")
    try:
        return PyObject_GetBuffer(data, view, PyBUF_SIMPLE)
    except TypeError:
        raise TypeError(f"data must be bytes-like, not {type(data).__name__}") from None
    except BufferError:
        raise TypeError("data must be contiguous in memory") from None


cdef bytes _copy(object data):
    cdef Py_buffer view
    _get_buffer(data, &view)
    try:
        return PyBytes_FromStringAndSize(<const char*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef extern from *:
    """
    static PyObject* cfdns_new_bytes(Py_ssize_t size_bytes) { return PyBytes_FromStringAndSize(nullptr, size_bytes); }
    """
    PyObject* _new_bytes "cfdns_new_bytes"(Py_ssize_t) except NULL
    void _release "Py_XDECREF"(PyObject*)


cdef tuple _reject_fields(const CReject& reject, uint64_t lines_before=0, uint64_t bytes_before=0):
    cdef str code = _REJECT_CODES[<int>reject.code]
    return (lines_before + reject.line, bytes_before + reject.byte_offset, reject.byte_length, code, <bytes>reject.raw)


cdef tuple _whole(Slice input, str code):
    return (1, 0, input.size_bytes, code, PyBytes_FromStringAndSize(input.data, min(input.size_bytes, _RAW_LIMIT_BYTES)))


# A template is an immutable scalar, or (what to copy, key, template, key, template, ...) with the members that must be
# made anew as well.
cdef object _template(object constant):
    if isinstance(constant, dict):
        parts = [constant]
        for key, child in constant.items():
            if isinstance(child, (dict, list)):
                parts += [key, _template(child)]
        return tuple(parts)
    return (constant,) if isinstance(constant, list) else constant


# A new reference.
cdef PyObject* _fresh(PyObject* template) except NULL:
    cdef Py_ssize_t i
    cdef PyObject* copy
    cdef tuple parts
    if type(<object>template) is not tuple:
        Py_INCREF(template)
        return template
    parts = <tuple>template
    original = parts[0]
    if type(original) is list:
        return PyList_GetSlice(<PyObject*>original, 0, len(<list>original))
    copy = PyDict_Copy(<PyObject*>original)
    for i in range(1, len(parts), 2):
        _set(copy, <PyObject*>parts[i], _fresh(<PyObject*>parts[i + 1]), False)
    return copy
