# Rejects and RejectBuilder: the rejects of a batch for Python; part of boundary.pyx.

import operator
import sys
from collections.abc import Sequence

cdef extern from "Python.h":
    int PyIndex_Check(object)
    Py_ssize_t PyNumber_AsSsize_t(object, object) except? -1


cdef size_t _RAW_LIMIT_BYTES = RAW_LIMIT_BYTES
# Format of a reject in a pickle: line, byte_offset, byte_length, size of raw, index of the code in the pickle's codes.
cdef str _PICKLED = "<QQQQB"


cdef tuple _reject_fields(const CReject& reject, uint64_t lines_before=0, uint64_t bytes_before=0):
    cdef str code = _REJECT_CODES[<int>reject.code]
    cdef bytes raw = PyBytes_FromStringAndSize(reject.raw.data(), reject.raw.size())
    return (lines_before + reject.line, bytes_before + reject.byte_offset, reject.byte_length, code, raw)


cdef tuple _whole(Slice input, str code):
    return (1, 0, input.size_bytes, code, PyBytes_FromStringAndSize(input.data, min(input.size_bytes, _RAW_LIMIT_BYTES)))


@cython.final
cdef class RejectBuilder:
    """Collects rejects one by one; `rejects` returns the rejects collected so far."""

    cdef CRejectList collected

    def __cinit__(self):
        _check_memory()

    def add(self, reject):
        """Add a copy of a Reject."""
        cdef CReject made
        if not isinstance(reject, Reject):
            raise TypeError(f"only a Reject can be added, not {type(reject).__name__}")
        cdef bytes raw = reject.raw
        number = _CODE_NUMBERS.get(reject.code)
        if raw is None or number is None or reject.byte_length > max_byte_length:
            raise ValueError("a Reject has bytes as raw, a code of REJECT_CODES and a byte_length below 2**56")
        made.line = reject.line
        made.byte_offset = reject.byte_offset
        made.byte_length = reject.byte_length
        made.code = <RejectCode><int>number
        made.raw = _view(raw)
        self._add(made)

    def rejects(self):
        """Return the rejects added so far. They share the memory of the builder; later additions do not change them."""
        with cython.critical_section(self):
            return _rejects_of(self, self.collected.size(), 0, 0)

    cdef int _add(self, const CReject& reject) except -1:
        with cython.critical_section(self):
            self.collected.add(reject)
        return 0

    cdef tuple _fields(self, size_t index, uint64_t lines_before, uint64_t bytes_before):
        with cython.critical_section(self):
            return _reject_fields(self.collected.at(index), lines_before, bytes_before)


# All empty results share this builder, because most batches have no rejects. No reject may be added to it.
cdef RejectBuilder _NO_REJECTS = RejectBuilder()


@cython.final
@cython.collection_type("sequence")
cdef class Rejects:
    """The rejects of a batch: an immutable sequence of `Reject` in compact memory.

    It holds a copy of the rejected bytes and 32 bytes for each reject, and makes a `Reject` at each access. It equals
    the tuple of its rejects, has its hash, and can be added to tuples of rejects. A slice shares the memory.

    Parameters
    ----------
    rejects : iterable of Reject
        Their codes are keys of `cfdns_fast.errors.REJECT_CODES`.
    """

    cdef RejectBuilder builder
    cdef Py_ssize_t first
    cdef Py_ssize_t size
    cdef Py_ssize_t step
    cdef uint64_t lines_before
    cdef uint64_t bytes_before

    def __cinit__(self, rejects=()):
        self.builder = _NO_REJECTS
        self.step = 1
        if rejects is not ():
            self.builder = RejectBuilder()
            for reject in rejects:
                self.builder.add(reject)
            self.size = self.builder.collected.size()

    def count_by_code(self):
        """Return how many rejects have each code that occurs, in the order of `cfdns_fast.errors.REJECT_CODES`."""
        cdef vector[size_t] counts
        cdef dict found = {}
        cdef Py_ssize_t i
        counts.resize(len(_REJECT_CODES))
        with cython.critical_section(self.builder):
            for i in range(self.size):
                counts[<size_t>self.builder.collected.at(self.first + i * self.step).code] += 1
        for i in range(len(_REJECT_CODES)):
            if counts[i] != 0:
                found[_REJECT_CODES[i]] = counts[i]
        return found

    def count(self, value, /):
        """Return how many times a reject occurs."""
        return sum(reject == value for reject in self)

    def index(self, value, start=0, stop=sys.maxsize, /):
        """Return the index of the first equal reject from `start` to `stop`. Raises ValueError if there is none."""
        for i in range(*slice(start, stop).indices(self.size)):
            if self._at(i) == value:
                return i
        raise ValueError("no such reject")

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        cdef Py_ssize_t start, step, at
        cdef Rejects made
        if isinstance(index, slice):
            chosen = range(self.size)[index]
            made = _rejects_of(self.builder, len(chosen), self.lines_before, self.bytes_before)
            if made.size != 0:
                start = chosen.start
                made.first = self.first + start * self.step
                made.step = self.step
            if made.size > 1:
                step = chosen.step
                made.step = self.step * step
            return made
        if not PyIndex_Check(index):
            raise TypeError(f"indices must be integers or slices, not {type(index).__name__}")
        at = PyNumber_AsSsize_t(index, IndexError)
        if at < 0:
            at += self.size
        if not 0 <= at < self.size:
            raise IndexError("index out of range")
        return self._at(at)

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self.size):
            yield self._at(i)

    def __reversed__(self):
        return iter(self[::-1])

    def __contains__(self, value):
        return any(reject == value for reject in self)

    def __eq__(self, other):
        if isinstance(other, Rejects):
            return self._equals(other)
        if isinstance(other, tuple):
            return len(other) == self.size and all(map(operator.eq, self, other))
        return NotImplemented

    def __hash__(self):
        return hash(tuple(self))

    def __add__(self, other):
        return _sum(self, other)

    def __radd__(self, other):
        return _sum(other, self)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        counts = ", ".join([f"{code} {count}" for code, count in self.count_by_code().items()])
        return f"<Rejects: {counts or 'none'}>"

    def __reduce__(self):
        import struct

        pack = struct.Struct(_PICKLED).pack
        rows = bytearray()
        raw = bytearray()
        for reject in self:
            code = _CODE_NUMBERS[reject.code]
            rows += pack(reject.line, reject.byte_offset, reject.byte_length, len(reject.raw), code)
            raw += reject.raw
        return _unpickled_rejects, (_REJECT_CODES, rows, raw)

    cdef object _at(self, Py_ssize_t index):
        cdef size_t position = self.first + index * self.step
        return tuple.__new__(Reject, self.builder._fields(position, self.lines_before, self.bytes_before))

    cdef bint _equals(self, Rejects other):
        cdef Py_ssize_t i
        cdef CReject mine
        cdef CReject theirs
        if self.size != other.size:
            return False
        with cython.critical_section(self.builder, other.builder):
            for i in range(self.size):
                mine = self._native(i)
                theirs = other._native(i)
                if (mine.line != theirs.line or mine.byte_offset != theirs.byte_offset or mine.code != theirs.code
                        or mine.byte_length != theirs.byte_length or mine.raw != theirs.raw):
                    return False
        return True

    # The caller must hold the critical section of the builder.
    cdef CReject _native(self, Py_ssize_t index) noexcept:
        cdef CReject reject = self.builder.collected.at(self.first + index * self.step)
        reject.line += self.lines_before
        reject.byte_offset += self.bytes_before
        return reject


Sequence.register(Rejects)


cdef Rejects _rejects_of(RejectBuilder builder, size_t size, uint64_t lines_before, uint64_t bytes_before):
    cdef Rejects made = Rejects()
    if size != 0:
        made.builder = builder
        made.size = size
        made.lines_before = lines_before
        made.bytes_before = bytes_before
    return made


# Move the rejects that a batch collected into a Rejects object.
cdef Rejects _taken_rejects(CRejectList& collected, uint64_t lines_before, uint64_t bytes_before):
    cdef RejectBuilder builder = RejectBuilder()
    cdef size_t size = collected.size()
    builder.collected = move(collected)
    collected.clear()
    return _rejects_of(builder, size, lines_before, bytes_before)


cdef object _sum(left, right):
    cdef RejectBuilder builder = RejectBuilder()
    cdef Rejects part
    cdef Py_ssize_t i
    if not isinstance(left, (Rejects, tuple)) or not isinstance(right, (Rejects, tuple)):
        return NotImplemented
    if not left and isinstance(right, Rejects):
        return right
    if not right and isinstance(left, Rejects):
        return left
    for each in (left, right):
        if isinstance(each, Rejects):
            part = each
            with cython.critical_section(part.builder):
                for i in range(part.size):
                    builder.collected.add(part._native(i))
        else:
            for reject in each:
                builder.add(reject)
    return builder.rejects()


def _unpickled_rejects(tuple codes, bytearray rows, bytearray raw):
    import struct

    builder = RejectBuilder()
    start = 0
    for line, byte_offset, byte_length, size_bytes, code in struct.iter_unpack(_PICKLED, rows):
        builder.add(Reject(line, byte_offset, byte_length, codes[code], bytes(raw[start : start + size_bytes])))
        start += size_bytes
    return builder.rejects()
