# Detections: what the matchers of a call found; part of boundary.pyx.

# The names of DetectedField, in its order.
cdef tuple _DETECTED_FIELDS = ("name", "source", "answer")


# The list of one call, to which an iterator may still add.
@cython.final
@cython.no_gc
cdef class _Found:
    cdef CDetectionList native
    cdef tuple matchers
    cdef bint in_bytes  # the output is NDJSON

    cdef tuple _fields(self, size_t index, uint64_t events_before, uint64_t bytes_before):
        cdef CDetection found
        cdef bytes name
        cdef object offset
        with cython.critical_section(self):
            found = self.native.at(index)
            name = PyBytes_FromStringAndSize(found.name.data(), found.name.size())
        text = name.decode()
        field = _DETECTED_FIELDS[<int>found.field]
        start = found.start if len(text) == len(name) else len(name[:found.start].decode())
        offset = -1
        if self.in_bytes:
            offset = bytes_before + found.byte_offset
        return (events_before + found.event, offset, found.matcher, found.rule, found.detail, start, text,
                self.matchers[found.matcher], field)


# The detections of one call, and the positions before its output.
@cython.final
@cython.no_gc
cdef class _FoundPart:
    cdef _Found found
    cdef size_t size
    cdef uint64_t beyond  # the number of detections that were not kept
    cdef uint64_t events_before
    cdef uint64_t bytes_before
    cdef object offsets  # an array that replaces the positions of events, or None


@cython.final
@cython.collection_type("sequence")
cdef class Detections:
    """What the matchers found in a batch: an immutable sequence of `Detection` in compact memory.

    It holds 24 bytes and a copy of the name for each detection, and makes a `Detection` at each access. It equals the
    tuple of its detections. A slice is a tuple. In a pickle it is the tuple, and `Detection.by` is None.

    A call keeps at most a million detections, and counts the others.
    """

    cdef list parts
    cdef readonly Py_ssize_t not_kept

    def __cinit__(self):
        self.parts = []

    def __len__(self):
        cdef Py_ssize_t size = 0
        for part in self.parts:
            size += (<_FoundPart>part).size
        return size

    def __getitem__(self, index):
        cdef Py_ssize_t at
        cdef Py_ssize_t size = len(self)
        if isinstance(index, slice):
            found = []
            for at in range(size)[index]:
                found.append(self._at(at))
            return tuple(found)
        if not PyIndex_Check(index):
            raise TypeError(f"indices must be integers or slices, not {type(index).__name__}")
        at = PyNumber_AsSsize_t(index, IndexError)
        if at < 0:
            at += size
        if not 0 <= at < size:
            raise IndexError("index out of range")
        return self._at(at)

    def __iter__(self):
        cdef _FoundPart part
        cdef size_t i
        for part in self.parts:
            for i in range(part.size):
                yield _detection(part, i)

    def __reversed__(self):
        return iter(self[::-1])

    def __contains__(self, value):
        return any(each == value for each in self)

    def index(self, value, start=0, stop=sys.maxsize, /):
        """Return the index of the first equal detection from `start` to `stop`. Raises ValueError if there is none."""
        for i in range(*slice(start, stop).indices(len(self))):
            if self._at(i) == value:
                return i
        raise ValueError("no such detection")

    def count(self, value, /):
        """Return how many times a detection occurs."""
        return sum(each == value for each in self)

    def __eq__(self, other):
        if not isinstance(other, (tuple, Detections)):
            return NotImplemented
        return len(other) == len(self) and all(map(operator.eq, self, other))

    def __hash__(self):
        return hash(tuple(self))

    def __repr__(self):
        return f"<Detections: {len(self)}>"

    def __reduce__(self):
        plain = []
        for each in self:
            plain.append(each._replace(by=None))
        return tuple, (plain,)

    def _moved(self, uint64_t events, uint64_t size_bytes):
        """Return the same detections after other output of this many events and bytes."""
        cdef Detections made = Detections()
        cdef _FoundPart part
        cdef _FoundPart moved
        for part in self.parts:
            moved = _part_of(part.found, part.size, part.beyond)
            moved.events_before = part.events_before + events
            moved.bytes_before = part.bytes_before + size_bytes
            moved.offsets = part.offsets
            made._add(moved)
        return made

    def _at_offsets(self, offsets):
        """Return the same detections with the positions of an array, one for each of them."""
        cdef Detections made = Detections()
        cdef _FoundPart part
        cdef _FoundPart moved
        for part in self.parts:
            moved = _part_of(part.found, part.size, part.beyond)
            moved.events_before = part.events_before
            moved.offsets = offsets[:part.size]
            offsets = offsets[part.size:]
            made._add(moved)
        return made

    def _extend(self, Detections other not None):
        """Append the detections of another object. Only for an object that its maker has not handed out."""
        for part in other.parts:
            self._add(part)

    def _columns(self, size_t rows):
        """Return the offsets of a list column of this many rows, and five columns of its items, as bytes.

        They are the matchers, rules, details, starts and fields (by number).

        The offsets are 32-bit integers, the others 64-bit integers. The events are in ascending order.
        """
        cdef bytearray offsets = bytearray(4 * (rows + 1))
        cdef int[::1] ends = memoryview(offsets).cast("i")
        import array
        columns = tuple([array.array("q") for _ in range(5)])
        cdef size_t row = 0
        cdef int count = 0
        for each in self:
            while row < <size_t>each.event:
                row += 1
                ends[row] = count
            count += 1
            number = _DETECTED_FIELDS.index(each.field)
            for column, value in zip(columns, (each.matcher, each.rule, each.detail, each.start, number)):
                column.append(value)
        while row < rows:
            row += 1
            ends[row] = count
        return bytes(offsets), columns

    cdef int _add(self, _FoundPart part) except -1:
        if part.size != 0 or part.beyond != 0:
            self.parts.append(part)
            self.not_kept += part.beyond
        return 0

    cdef object _at(self, Py_ssize_t index):
        cdef _FoundPart part
        for part in self.parts:
            if index < <Py_ssize_t>part.size:
                return _detection(part, index)
            index -= part.size
        raise IndexError("index out of range")


Sequence.register(Detections)


@cython.final
cdef class DetectionCollector:
    """Joins the detections of consecutive results. One thread at a time may add."""

    cdef _Found found

    def add(self, Detections other not None, uint64_t events):
        """Append the detections of a result that comes after this many events. Its detections must all be there.

        All results must be of one pinned converter.
        """
        cdef _FoundPart part
        for part in other.parts:
            if self.found is None:
                self.found = _Found.__new__(_Found)
                self.found.matchers = part.found.matchers
            with cython.critical_section(self.found):
                self.found.native.append(part.found.native, part.events_before + events, 0)

    def detections(self):
        """Return what was added so far."""
        return Detections() if self.found is None else _detections_of(self.found)


cdef object _detection(_FoundPart part, size_t index):
    cdef tuple fields = part.found._fields(index, part.events_before, part.bytes_before)
    if part.offsets is not None:
        fields = (fields[0], part.bytes_before + part.offsets[index], *fields[2:])
    return tuple.__new__(Detection, fields)


cdef _FoundPart _part_of(_Found found, size_t size, uint64_t beyond):
    cdef _FoundPart part = _FoundPart.__new__(_FoundPart)
    part.found = found
    part.size = size
    part.beyond = beyond
    return part


# Return what a list holds now.
cdef object _detections_of(_Found found):
    cdef Detections made = Detections()
    cdef size_t size
    cdef uint64_t beyond
    with cython.critical_section(found):
        size = found.native.size()
        beyond = found.native.found() - size
    made._add(_part_of(found, size, beyond))
    return made


# Move the detections that a batch collected into a Detections object; () if there are no matchers.
cdef object _taken_detections(CDetectionList& collected, _Matchers matchers, bint in_bytes):
    cdef _Found found
    if matchers is None:
        return ()
    found = _Found.__new__(_Found)
    found.native = move(collected)
    found.matchers = matchers.seen
    found.in_bytes = in_bytes
    collected.clear()
    return _detections_of(found)
