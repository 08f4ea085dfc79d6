# cython: language_level=3
"""Declares the C++ that boundary.pyx uses."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef extern from *:
    """
    #include "batch/arrow_batch.hpp"
    #include "batch/engine.hpp"
    #include "support/huge_pages.hpp"
    #include "framing/long_item.hpp"
    #include "framing/long_record.hpp"
    #include "batch/parallel.hpp"
    #include "cfdns_fast/_core/dicts/builder.hpp"
    #include "matching/name_table_builder.hpp"

    static PyObject* cfdns_engine_error = nullptr;

    // For `except +`: raise EngineError, ValueError, MemoryError or RuntimeError for a C++ exception.
    static void cfdns_raise() {
      try {
        throw;
      } catch (const cfdns::EngineFailure& failure) {
        PyErr_SetString(cfdns_engine_error, failure.what());
      } catch (const cfdns::ColumnTooLarge& failure) {
        PyErr_SetString(PyExc_ValueError, failure.what());
      } catch (const std::invalid_argument& failure) {
        PyErr_SetString(PyExc_ValueError, failure.what());
      } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
      } catch (const std::exception& other) {
        PyErr_SetString(PyExc_RuntimeError, other.what());
      }
    }

    // Turn the garbage collector of the process off. Pass the result to cfdns_resume_gc before other threads can run.
    // Without the GIL they always run, so the collector stays on.
    static int cfdns_pause_gc() {
    #ifdef Py_GIL_DISABLED
      return 0;
    #else
      return PyGC_Disable();
    #endif
    }

    static void cfdns_resume_gc(int was_enabled) {
      if (was_enabled) PyGC_Enable();
    }
    """
    PyObject* cfdns_engine_error
    void cfdns_raise()
    int cfdns_pause_gc()
    void cfdns_resume_gc(int)


cdef extern from "cfdns_fast/_core/dicts/builder.hpp" namespace "cfdns":
    cdef cppclass ShortTexts:
        pass

    cdef cppclass DictPlaces:
        @staticmethod
        cbool try_out()

    cdef cppclass DictBuilder:
        void add_pattern(PyObject*, cbool) except +cfdns_raise
        void add_step(int, size_t, size_t, PyObject*, PyObject*, cbool) except +cfdns_raise
        void add_enumeration() except +cfdns_raise
        void add_name(PyObject*) except +cfdns_raise
        void add_members() except +cfdns_raise
        void add_member(PyObject*) except +cfdns_raise
        PyObject* build(const Event&, Slice, cbool, ShortTexts*) except NULL


cdef extern from "<algorithm>" namespace "std" nogil:
    ptrdiff_t count(const char*, const char*, char)


cdef extern from "support/can_throw.hpp" namespace "cfdns" nogil:
    cbool can_throw()


cdef extern from "batch/engine.hpp" namespace "cfdns" nogil:
    cdef cppclass Slice:
        Slice()
        const char* data
        size_t size_bytes

    const size_t padding_bytes

    cdef cppclass string_view "std::string_view":
        string_view()
        string_view(const char*, size_t)
        const char* data()
        size_t size()
        cbool operator!=(const string_view&)

    cdef cppclass CSuffixTable "cfdns::SuffixTable":
        CSuffixTable(string_view) except +cfdns_raise
        void add_edge(uint32_t, Slice, uint32_t) except +cfdns_raise
        void add_fold(uint32_t, uint32_t) except +cfdns_raise
        void finish() except +cfdns_raise

    cdef enum class TimestampUnit(uint8_t):
        pass

    cdef cppclass CPlan "cfdns::Plan":
        CPlan() except +cfdns_raise
        shared_ptr[const CSuffixTable] suffixes
        size_t max_record_bytes
        size_t slot_count
        size_t key_count
        TimestampUnit unit
        string record_delimiter
        void add_source(string_view) except +cfdns_raise
        void add_problem_text(string_view) except +cfdns_raise
        void add_input(size_t, cbool) except +cfdns_raise
        void add_other(size_t) except +cfdns_raise
        void add_reading(int, int, int, size_t, size_t) except +cfdns_raise
        void add_members() except +cfdns_raise
        void add_member(string_view, string_view) except +cfdns_raise
        void add_enumeration(string_view) except +cfdns_raise
        void add_name(string_view, string_view) except +cfdns_raise
        void add_numbered "add_name"(uint32_t, string_view, string_view) except +cfdns_raise
        void add_default_name(string_view, string_view) except +cfdns_raise
        void add_coalesced(size_t) except +cfdns_raise
        void add_coalesced_from(size_t) except +cfdns_raise
        void add_collected(size_t) except +cfdns_raise
        void add_collected_from(size_t) except +cfdns_raise
        void add_observables(size_t, size_t) except +cfdns_raise
        void add_observed(size_t, string_view, string_view, int64_t) except +cfdns_raise
        void add_constant_by_problem(size_t, size_t) except +cfdns_raise
        void set_problems_slot(size_t, size_t)
        void set_matched(size_t, size_t, shared_ptr[const CSuffixTable]) except +cfdns_raise
        void add_matched_other(size_t) except +cfdns_raise
        void set_matched_field(size_t, size_t) except +cfdns_raise
        void set_matched_address(size_t, size_t) except +cfdns_raise
        void add_step(int, size_t, string_view, string_view) except +cfdns_raise

    cdef cppclass Event:
        vector[uint64_t] problems

    cdef enum class RejectCode(uint8_t):
        too_large
        utf8
        depth
        syntax
        surrogate
        not_object

    cdef cppclass CReject "cfdns::Reject":
        uint64_t line
        uint64_t byte_offset
        uint64_t byte_length
        RejectCode code
        string_view raw

    const uint64_t max_byte_length "cfdns::RejectList::max_byte_length"

    cdef cppclass CRejectList "cfdns::RejectList":
        size_t size()
        void add(const CReject&) except +cfdns_raise
        CReject at(size_t)
        void clear()

    cdef enum class DetectedField(uint8_t):
        name
        source
        answer

    cdef cppclass CDetection "cfdns::Detection":
        uint64_t event
        uint64_t byte_offset
        uint32_t matcher
        uint32_t rule
        uint32_t detail
        uint32_t start
        DetectedField field
        string_view name

    const size_t max_matched_bytes "cfdns::DetectionList::max_name_bytes"

    cdef cppclass CDetectionList "cfdns::DetectionList":
        size_t size()
        uint64_t found()
        CDetection at(size_t)
        void append(const CDetectionList&, uint64_t, uint64_t) except +cfdns_raise
        void clear()

    cdef cppclass CSliverName "cfdns::SliverName":
        uint8_t message
        uint8_t encoder
        uint32_t id
        size_t parent

    cdef cppclass CSliverDecoder "cfdns::SliverDecoder":
        @staticmethod
        cbool may_match(Slice)

        @staticmethod
        cbool decode(Slice, CSliverName&)

    cdef cppclass CNameRow "cfdns::NameTable::Row":
        uint8_t flags
        uint32_t metadata
        Slice name
        size_t next

    cdef cppclass CNameMatch "cfdns::NameTable::Match":
        uint32_t row
        uint32_t metadata
        uint32_t start

    cdef cppclass CMatchName "cfdns::MatchName":
        Slice text
        cbool plain

    cdef cppclass CNameHash "cfdns::NameHash":
        @staticmethod
        void set_secret(uint64_t, uint64_t)

    cdef cppclass CNameTable "cfdns::NameTable":
        size_t size()
        size_t rows_bytes()
        size_t memory_bytes()
        CNameRow row(size_t)
        cbool has_row(size_t)
        cbool find_unsplit(CMatchName&, CNameMatch&)

    cdef cppclass CPredicates "cfdns::Predicates":
        CPredicates() except +cfdns_raise
        void begin_condition() except +cfdns_raise
        void add_instruction(int, uint32_t, uint32_t) except +cfdns_raise
        void screen_no_names() except +cfdns_raise
        size_t add_pattern(int, int, string_view, cbool) except +cfdns_raise
        void add_piece(int, string_view) except +cfdns_raise
        void finish() except +cfdns_raise
        size_t size()

    cdef cppclass CNetworkRow "cfdns::NetworkTable::Row":
        uint64_t high
        uint64_t low
        uint32_t metadata
        uint8_t bits
        uint8_t roles

    cdef cppclass CNetworkTable "cfdns::NetworkTable":
        CNetworkTable() except +cfdns_raise
        void add(string_view, unsigned, uint8_t, uint32_t) except +cfdns_raise
        void finish() except +cfdns_raise
        size_t size()
        size_t memory_bytes()
        const CNetworkRow& row(size_t)

    cdef cppclass CMatcherSet "cfdns::MatcherSet":
        cbool has_sliver()
        void add_sliver(uint32_t)
        void add_names(uint32_t, shared_ptr[const CNameTable]) except +cfdns_raise
        void add_networks(uint32_t, shared_ptr[const CNetworkTable]) except +cfdns_raise
        void add_predicates(uint32_t, shared_ptr[const CPredicates]) except +cfdns_raise

    cdef cppclass Detector:
        Detector(const CPlan&, const CMatcherSet&) except +cfdns_raise
        void begin(const Record&, const Event&) except +cfdns_raise
        cbool may_match()
        void finish(const Event&, uint64_t, uint64_t, CDetectionList&) except +cfdns_raise

    cdef cppclass Record:
        pass

    cdef enum class Turn(uint8_t):
        event
        reject
        end

    cdef cppclass ReadOptions:
        ReadOptions()
        cbool final
        cbool is_document
        cbool stop_at_reject
        uint8_t state
        size_t raw_limit_bytes
        const CMatcherSet* matchers

    cdef cppclass Cursor:
        void start(Slice, const ReadOptions&) except +cfdns_raise
        Turn next() except +cfdns_raise
        void pause()
        Slice message()
        const Record& record()
        Event event
        CReject reject
        uint64_t blank
        uint64_t events
        uint64_t consumed_bytes()
        uint64_t newlines()
        uint8_t state()

    cdef enum class BatchState(uint8_t):
        end
        full
        refused
        paused

    cdef cppclass Batch:
        Batch(Cursor&, const CPlan&, const ReadOptions&) except +cfdns_raise
        BatchState run(char*, size_t, size_t) except +cfdns_raise
        size_t written_bytes
        size_t wanted_bytes
        size_t max_rejects
        CRejectList rejects
        CDetectionList detections

        @staticmethod
        size_t rejects_of(size_t)

    void advise_huge_pages(void*, size_t)

    cdef cppclass OutputRoom:
        size_t capacity(size_t)
        void learn(size_t, size_t)

        @staticmethod
        cbool is_full(size_t, size_t)

    cdef cppclass Engine:
        Engine(shared_ptr[const CPlan]) except +cfdns_raise
        const CPlan& plan
        OutputRoom room
        unique_ptr[Cursor] borrow() except +cfdns_raise
        void give_back(unique_ptr[Cursor])

    cdef cppclass ParallelNdjson:
        ParallelNdjson(Engine&, Slice, const ReadOptions&) except +cfdns_raise
        void run(size_t, char*, size_t) except +cfdns_raise
        void finish(char*)
        size_t max_part_bytes
        size_t max_output_bytes
        cbool is_cut
        uint64_t written_bytes
        uint64_t events
        uint64_t blank
        uint64_t newlines
        uint64_t consumed_bytes
        uint8_t state
        CRejectList rejects
        CDetectionList detections
        vector[uint64_t] problems

        @staticmethod
        size_t max_threads(size_t)

    cdef enum class SkipResult(uint8_t):
        complete
        incomplete
        invalid

    const char* skip_line_space(const char*, const char*)
    SkipResult skip_brackets(const char*&, const char*)

    cdef cppclass Members:
        pass

    cdef enum class Found "cfdns::DocumentSplitter::Found"(uint8_t):
        item
        fault
        end

    cdef enum DocumentState "cfdns::DocumentSplitter::State":
        broken_document "cfdns::DocumentSplitter::broken"
        lines_document "cfdns::DocumentSplitter::on_lines"
        line_read "cfdns::line_read"
        line_padded "cfdns::line_padded"

    cdef cppclass DocumentSplitter:
        DocumentSplitter(const CPlan&) except +cfdns_raise
        void start(Slice, const ReadOptions&)
        Found next(Slice&) except +cfdns_raise
        SkipResult is_wrapper(const char*, cbool&, Members&) except +cfdns_raise
        cbool frames_record(const char*, const char*) except +cfdns_raise
        uint8_t state()
        const char* position()
        const char* first_end()

    cdef cppclass CLongRecord "cfdns::LongRecord":
        CLongRecord(const string&) except +cfdns_raise
        cbool read(Slice, const ReadOptions&, size_t&)

        @staticmethod
        size_t margin_bytes(const string&)

    cdef enum class LongOutcome "cfdns::LongItem::Outcome"(uint8_t):
        more
        item
        ignored
        fault

    cdef cppclass CLongItem "cfdns::LongItem":
        CLongItem(uint8_t) except +cfdns_raise
        LongOutcome read(Slice, const ReadOptions&, size_t&)
        uint8_t next_state(LongOutcome)

    string c_active_kernel "cfdns::active_kernel"() except +cfdns_raise
    vector[string] c_available_kernels "cfdns::available_kernels"() except +cfdns_raise


cdef extern from "matching/name_table_builder.hpp" namespace "cfdns" nogil:
    cdef enum class CNameOutcome "cfdns::NameOutcome"(uint8_t):
        pass

    cdef cppclass CNameTableBuilder "cfdns::NameTableBuilder":
        CNameTableBuilder(shared_ptr[const CSuffixTable], shared_ptr[const CSuffixTable]) except +cfdns_raise
        size_t size()
        CNameOutcome add(Slice, uint8_t, uint32_t) except +cfdns_raise
        void add_lines(Slice, uint8_t, uint8_t, uint32_t, size_t*) except +cfdns_raise
        shared_ptr[const CNameTable] build() except +cfdns_raise


cdef extern from "batch/arrow_batch.hpp" nogil:
    cdef struct ArrowArray:
        void (*release)(ArrowArray*) noexcept


cdef extern from "batch/arrow_batch.hpp" namespace "cfdns" nogil:
    cdef cppclass CArrowPlan "cfdns::ArrowPlan":
        CArrowPlan(size_t, cbool)
        void add_column(int, size_t, string_view) except +cfdns_raise
        void add_held(int64_t) except +cfdns_raise
        void add_items(int, cbool) except +cfdns_raise
        void add_dictionary() except +cfdns_raise
        void add_text(string_view) except +cfdns_raise
        void add_field(size_t, size_t, cbool, int) except +cfdns_raise
        void add_constant(int64_t) except +cfdns_raise

    cdef cppclass ArrowBatch:
        ArrowBatch(Engine&, shared_ptr[CArrowPlan], Slice, const ReadOptions&) except +cfdns_raise
        void run(size_t) except +cfdns_raise
        size_t max_part_rows
        cbool is_cut
        uint64_t newlines
        uint64_t consumed_bytes
        uint8_t state
        void hand_over(ArrowArray&) except +cfdns_raise
        uint64_t events
        uint64_t blank
        CRejectList rejects
        CDetectionList detections
        vector[uint64_t] problems
