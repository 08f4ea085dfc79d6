# Values and records that are too long to be kept in memory until they end; part of _core.pyx.

cdef class LongRecord:
    """Finds the end of an NDJSON record that is longer than max_record_bytes, block by block."""

    cdef shared_ptr[Engine] engine
    cdef unique_ptr[CLongRecord] record

    def __cinit__(self, Plan plan not None):
        self.engine = plan.engine
        self.record.reset(new CLongRecord(self.engine.get().delimiter()))

    def read(self, data, *, bint final):
        """Return how many bytes of data belong to the record, and whether the record ends after them.

        If it does not end, the other bytes must come again at the start of the next data.
        """
        cdef Py_buffer view
        cdef Slice text
        cdef size_t taken_bytes = 0
        cdef cbool ends
        _get_buffer(data, &view)
        try:
            text.data = <const char*>view.buf
            text.size_bytes = view.len
            with nogil:
                ends = self.record.get().read(text, final, taken_bytes)
            return taken_bytes, ends
        finally:
            PyBuffer_Release(&view)


cdef class LongItem:
    """Finds the end of a value in a JSON document that is longer than max_record_bytes, block by block."""

    cdef unique_ptr[CLongItem] item

    def __cinit__(self, int place):
        self.item.reset(new CLongItem(place))

    def read(self, data, *, bint final):
        """Return how many bytes of data belong to the value, what became of the value, and the place after it.

        The text in the middle is ``"more"`` if the value goes on in the next data, ``"item"`` if it ends and stands in the
        place of a record, ``"ignored"`` if it is part of a member that nothing reads, ``"fault"`` if the document cannot
        be read from the start of the value on.
        """
        cdef Py_buffer view
        cdef Slice text
        cdef size_t read_bytes = 0
        cdef LongOutcome outcome
        _get_buffer(data, &view)
        try:
            text.data = <const char*>view.buf
            text.size_bytes = view.len
            with nogil:
                outcome = self.item.get().read(text, final, read_bytes)
            return read_bytes, _LONG_OUTCOMES[<int>outcome], self.item.get().next_place(outcome)
        finally:
            PyBuffer_Release(&view)


cdef tuple _LONG_OUTCOMES = ("more", "item", "ignored", "fault")
