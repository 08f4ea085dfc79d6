# The enums of C++ that describe plans, and the codes of the numbers that C++ reports; part of boundary.pyx.

cdef extern from "plan/plan.hpp" namespace "cfdns":
    cpdef enum class Kind(uint8_t):
        text
        integer
        boolean
        enumeration
        timestamp
        ip
        domain_name  # not `name`, which every member of a Python enum has
        milliseconds
        list
        objects

    cpdef enum class ReadingFlag(uint8_t):
        wants_parts
        keeps_dots
        nine_digits
        is_named
        keeps_empty
        keeps_root
        escapes
        wraps

    cpdef enum class StepKind(uint8_t):
        literal
        open
        close
        raw
        slot

cdef extern from "cfdns_fast/_core/dicts/builder.hpp" namespace "cfdns":
    cpdef enum class DictStepKind(uint8_t):
        list
        open
        close
        raw
        slot

cdef extern from "plan/arrow_plan.hpp" namespace "cfdns":
    cpdef enum class ColumnForm "cfdns::ColumnType"(uint8_t):
        raw
        text
        integer
        time
        boolean
        index
        list

    const size_t c_no_column "cfdns::FieldPlan::none"

cdef extern from "values/timestamp.hpp" namespace "cfdns":
    cpdef enum class TimeUnit "cfdns::TimestampUnit"(uint8_t):
        automatic
        s
        ms
        us
        ns


#: Stands for the column or the dictionary of a field that has none.
NO_COLUMN = c_no_column

# The problems that every key may have, in the order of the C++ enum Problem.
cdef tuple _FIELD_CODES = ("field.type", "field.range", "field.missing")
cdef str _UNKNOWN_KEY = "record.unknown"

# A reject stores the position of its code in REJECT_CODES, where the codes of the C++ come first.
cdef tuple _REJECT_CODES = tuple(REJECT_CODES)
cdef dict _CODE_NUMBERS = {code: number for number, code in enumerate(REJECT_CODES)}


def _check_codes():
    numbers = {
        "record.too_large": <int>RejectCode.too_large,
        "json.utf8": <int>RejectCode.utf8,
        "json.depth": <int>RejectCode.depth,
        "json.syntax": <int>RejectCode.syntax,
        "json.surrogate": <int>RejectCode.surrogate,
        "json.not_object": <int>RejectCode.not_object,
    }
    for code, number in numbers.items():
        if _CODE_NUMBERS.get(code) != number:
            raise ImportError(f"errors.REJECT_CODES must have {code} at position {number}")
    if not {_UNKNOWN_KEY, *_FIELD_CODES} <= set(PROBLEM_CODES):
        raise ImportError("errors.PROBLEM_CODES lacks a code of the compiled core")


_check_codes()
