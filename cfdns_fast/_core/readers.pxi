# NdjsonReader and DocumentReader: convert an input part by part; part of boundary.pyx.

# The part that both readers share: the position in the input and the state of reading.
@cython.no_gc
cdef class _Reader:
    cdef readonly Converter converter
    cdef readonly uint64_t newlines
    cdef readonly uint64_t byte_offset
    cdef ReadOptions options

    def __cinit__(self, Converter converter not None, *, bint whole_rejects=False):
        self.converter = converter
        self.options = ReadOptions()
        self.options.raw_limit_bytes = <size_t>-1 if whole_rejects else _RAW_LIMIT_BYTES

    cdef _Progress _begin(self, bint final) noexcept:
        cdef _Progress progress = _Progress(0, 0, 0, 0, 0, False)
        progress.lines_before = self.newlines
        progress.bytes_before = self.byte_offset
        self.options.final = final
        return progress

    cdef tuple _finish(self, result, _Progress progress):
        self.options.state = progress.state
        self._advance(progress.consumed_bytes, progress.newlines)
        return result, progress.consumed_bytes, progress.more

    cdef int _advance(self, uint64_t size_bytes, uint64_t newlines) except -1:
        self.byte_offset += size_bytes
        self.newlines += newlines
        return 0

    cdef tuple _to_ndjson(self, data, bint final, size_t threads):
        cdef _Progress progress = self._begin(final)
        result = self.converter._to_ndjson(data, self.options, threads, _MAX_OUTPUT_BYTES, &progress)
        return self._finish(result, progress)

    cdef tuple _to_arrow(self, data, take, bint final, size_t threads):
        cdef _Progress progress = self._begin(final)
        result = self.converter._to_arrow(data, take, self.options, threads, _MAX_PART_ROWS, &progress)
        return self._finish(result, progress)


@cython.no_gc
cdef class NdjsonReader(_Reader):
    """The state of one NDJSON input that is converted part by part. One thread at a time may use it.

    The caller keeps the bytes that were not consumed, and passes them again at the start of the next data.

    Parameters
    ----------
    converter : Converter
    whole_rejects : bool
        Whether ``raw`` of rejects holds all of their bytes.

    Attributes
    ----------
    newlines, byte_offset : int
        The numbers of newlines and bytes that were consumed so far. The positions of rejects include them.
    """

    cdef unique_ptr[CLongRecord] record

    @property
    def max_unfinished_bytes(self):
        """The maximum number of bytes that may be the start of a record; a longer one is a reject."""
        cdef const CPlan* plan = self.converter.plan.shared.get()
        return max(plan.max_record_bytes, <size_t>3) + CLongRecord.margin_bytes(plan.record_delimiter)

    def to_ndjson(self, data, *, bint final, size_t threads=1):
        """Convert what is complete: (Result, number of bytes consumed, whether there is more to convert).

        There is more if the output has reached 4 MiB. With several threads there is more if it has reached 16 MiB, or
        the output of one piece 1 MiB.
        """
        return self._to_ndjson(data, final, threads)

    def to_arrow(self, data, take, *, bint final, size_t threads=1):
        """Convert what is complete; otherwise like `to_ndjson`.

        A part ends after 65,536 rows. Several threads end it after the piece of 128 KiB that reaches this number.
        """
        return self._to_arrow(data, take, final, threads)

    def begin_long(self, data):
        """Begin a record that is longer than `max_unfinished_bytes`: (bytes consumed before it, their blank count)."""
        cdef Py_buffer view
        cdef bint is_padded = self.options.state & line_padded
        cdef size_t blank_bytes
        _check_memory()
        _get_buffer(data, &view)
        try:
            at = <const char*>view.buf
            # The reject does not include the space before it.
            blank_bytes = skip_line_space(at, at + view.len) - at
            is_padded = is_padded or memchr(at, 0, blank_bytes) != NULL
        finally:
            PyBuffer_Release(&view)
        self.record.reset(new CLongRecord(self.converter.plan.shared.get().record_delimiter))
        self.options.state = line_read
        self._advance(blank_bytes, 0)
        return blank_bytes, int(is_padded)

    def read_long(self, data, *, bint final):
        """Consume bytes of the long record: (number of bytes, whether the record ends after them)."""
        cdef Py_buffer view
        cdef Slice text
        cdef size_t taken_bytes = 0
        cdef cbool ends
        if self.record.get() == NULL:
            raise ValueError("no long record has begun")
        _get_buffer(data, &view)
        try:
            text.data = <const char*>view.buf
            text.size_bytes = view.len
            self.options.final = final
            with nogil:
                ends = self.record.get().read(text, self.options, taken_bytes)
        finally:
            PyBuffer_Release(&view)
        if ends:
            self.record.reset()
        self._advance(taken_bytes, 0)
        return taken_bytes, ends


@cython.no_gc
cdef class DocumentReader(_Reader):
    """The state of one input of JSON documents; otherwise like `NdjsonReader`."""

    cdef unique_ptr[CLongItem] item

    @property
    def max_unfinished_bytes(self):
        """The maximum number of bytes that may be the start of a record or of the delimiter."""
        cdef const CPlan* plan = self.converter.plan.shared.get()
        # A CR after the value may belong to the line end.
        return max(plan.max_record_bytes, max(plan.record_delimiter.size(), <size_t>3)) + 1

    @property
    def is_broken(self):
        """Whether the rest cannot be read, up to the end of the input or of the line."""
        return self._is_broken()

    cdef bint _is_broken(self) noexcept:
        return self.options.state & ~<int>lines_document == broken_document

    def __cinit__(self, *args, **kwargs):
        self.options.is_document = True

    def to_ndjson(self, data, *, bint final):
        """Convert what is complete: (Result, number of bytes consumed, whether there is more to convert).

        At invalid JSON, `is_broken` becomes true, and the rest is not consumed. If data is final, the rest is consumed
        as one reject.
        """
        return self._to_ndjson(data, final, 1)

    def to_arrow(self, data, take, *, bint final):
        """Convert what is complete; otherwise like `to_ndjson`. A part ends after 65,536 rows."""
        return self._to_arrow(data, take, final, 1)

    def begin_long(self):
        """Begin a value that is longer than `max_unfinished_bytes`, or the rest that cannot be read."""
        _check_memory()
        if not self._is_broken():
            self.item.reset(new CLongItem(self.options.state))

    def read_long(self, data, *, bint final):
        """Consume bytes of the long value or rest: (number of bytes, outcome).

        The outcome is ``"more"`` if the next data continues it, ``"item"`` if a value in the place of a record ends,
        ``"rest"`` if a rest that cannot be read ends, ``"ignored"`` if a value ends that is not converted.
        """
        cdef Py_buffer view
        cdef Slice text
        cdef size_t size_bytes = 0
        _get_buffer(data, &view)
        try:
            text.data = <const char*>view.buf
            text.size_bytes = view.len
            self.options.final = final
            outcome = self._read_long(text, final, &size_bytes)
            self._advance(size_bytes, count(text.data, text.data + size_bytes, b'\n'))
            return size_bytes, outcome
        finally:
            PyBuffer_Release(&view)

    cdef str _read_long(self, Slice text, bint final, size_t* size_bytes):
        cdef LongOutcome outcome
        cdef size_t item_bytes = 0
        if self.item.get() != NULL:
            with nogil:
                outcome = self.item.get().read(text, self.options, item_bytes)
            size_bytes[0] = item_bytes
            if outcome == LongOutcome.more:
                return "more"
            self.options.state = self.item.get().next_state(outcome)
            self.item.reset()
            if outcome == LongOutcome.item:
                return "item"
            if outcome == LongOutcome.ignored:
                return "ignored"
            text.data += item_bytes
            text.size_bytes -= item_bytes
        size_bytes[0] += self._rest_bytes(text, final)
        return "rest" if not self._is_broken() else "more"

    # Return the size of the rest that cannot be read, within the text. If it ends there, is_broken becomes false.
    cdef size_t _rest_bytes(self, Slice text, bint final) noexcept:
        cdef bint on_lines = self.options.state & lines_document
        cdef const char* newline = NULL
        cdef size_t size_bytes = text.size_bytes
        if on_lines and size_bytes != 0:
            newline = <const char*>memchr(text.data, b"\n", size_bytes)
        if newline != NULL:
            size_bytes = newline - text.data
        # A CR before the newline belongs to the line end.
        if (newline != NULL or (on_lines and not final)) and size_bytes != 0 and text.data[size_bytes - 1] == b"\r":
            size_bytes -= 1
        if newline != NULL:
            self.options.state = lines_document
        elif final:
            self.options.state = 0
        return size_bytes
