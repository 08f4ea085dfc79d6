# Converter: a plan at work; part of boundary.pyx.

# A part of a stream stops after this much output, or where several threads convert, after this much of one piece: records of
# a few bytes become events of many times their size. Arrow counts rows, because a row may take no bytes of its own.
cdef size_t _MAX_OUTPUT_BYTES = 4 << 20
cdef size_t _MAX_PART_BYTES = 1 << 20
cdef size_t _MAX_PART_ROWS = 1 << 16


cdef inline ReadOptions _whole_batch(bint raise_on_reject, bint document) noexcept:
    cdef ReadOptions options = ReadOptions()
    options.stop_at_reject = raise_on_reject
    options.is_document = document
    options.raw_limit_bytes = _RAW_LIMIT_BYTES
    return options


# What a conversion has read, beside its Result.
cdef struct _Progress:
    uint64_t consumed_bytes
    uint64_t newlines
    uint64_t lines_before
    uint64_t bytes_before
    uint8_t state
    bint more


# It refers to immutable objects alone, so it is part of no cycle; and gc.get_referents() shows nothing of it.
@cython.no_gc
cdef class Converter:
    """A plan at work, and the workspaces that calls share. Any number of threads may use it at once."""

    cdef readonly Plan plan
    cdef shared_ptr[Engine] engine

    def __cinit__(self, Plan plan not None):
        _check_memory()
        self.plan = plan
        self.engine = make_shared[Engine](<shared_ptr[const CPlan]>plan.shared)

    def to_ndjson(self, data, *, bint raise_on_reject=False, bint document=False, size_t threads=1):
        """Convert a batch; see Normalizer.to_ndjson. A document is for one thread."""
        cdef _Progress progress = _Progress(0, 0, 0, 0, 0, False)
        return self._to_ndjson(data, _whole_batch(raise_on_reject, document), threads, <size_t>-1, &progress)

    def to_arrow(self, data, take, *, bint raise_on_reject=False, bint document=False, size_t threads=1):
        """Convert a batch; see Normalizer.to_arrow.

        `take` is called with the address of a struct ArrowArray, which it empties. What it returns becomes the output.
        """
        cdef _Progress progress = _Progress(0, 0, 0, 0, 0, False)
        return self._to_arrow(data, take, _whole_batch(raise_on_reject, document), threads, <size_t>-1, &progress)

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
            cursor.get().start(input, _whole_batch(False, False))
            turn = cursor.get().next()
            if turn == Turn.end:
                raise RecordError(*_whole(input, "record.empty"))
            failure = None
            event = None
            if turn == Turn.event:
                try:
                    event = self.plan._dict(cursor.get().event, input, False, NULL)
                except UnicodeDecodeError:
                    # The record is valid. A second record follows it with such bytes, or the bytes have changed.
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

    def inspect_start(self, data, *, size_t line_bytes, bint final):
        """Return what begins with the bracket at the start of data, whose first line has line_bytes bytes.

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
        return _inspect_start(self.plan, data, line_bytes, final)

    # Convert at most max_output_bytes, and somewhat more. `progress` holds the positions before the data.
    cdef object _to_ndjson(self, data, ReadOptions options, size_t threads, size_t max_output_bytes, _Progress* progress):
        cdef Py_buffer view
        cdef Slice input
        _check_memory()
        _get_buffer(data, &view)
        try:
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            threads = min(threads, ParallelNdjson.max_threads(input.size_bytes))
            if threads > 1 and not options.is_document:
                return self._to_ndjson_by_threads(input, options, threads, max_output_bytes, progress)
            return self._to_ndjson_alone(input, options, max_output_bytes, progress)
        finally:
            PyBuffer_Release(&view)

    cdef object _to_ndjson_alone(self, Slice input, ReadOptions options, size_t max_output_bytes, _Progress* progress):
        cdef unique_ptr[Cursor] cursor
        cdef unique_ptr[Batch] batch
        cdef BatchState state
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        try:
            cursor = self.engine.get().borrow()
            cursor.get().start(input, options)
            batch.reset(new Batch(cursor.get()[0]))
            batch.get().max_rejects = Batch.rejects_of(max_output_bytes)
            output = self._new_output(input.size_bytes, max_output_bytes, &capacity_bytes)
            while True:
                memory = PyBytes_AsString(<object>output)
                advise_huge_pages(memory, capacity_bytes)
                with nogil:
                    state = batch.get().run(self.engine.get().plan, memory, capacity_bytes, options.stop_at_reject,
                                            max_output_bytes)
                if state != BatchState.full:
                    break
                capacity_bytes = capacity_bytes + capacity_bytes // 2 + batch.get().wanted_bytes
                _resize(&output, capacity_bytes)
            if state == BatchState.refused:
                raise RecordError(*_reject_fields(batch.get().rejects.at(batch.get().rejects.size() - 1)))
            cursor.get().pause()
            self._cut_output(&output, cursor.get().consumed_bytes(), capacity_bytes, batch.get().written_bytes)
            progress.consumed_bytes = cursor.get().consumed_bytes()
            progress.newlines = cursor.get().newlines()
            progress.state = cursor.get().state()
            progress.more = state == BatchState.paused
            return self._result(<object>output, cursor.get().events, cursor.get().blank, batch.get().rejects,
                                cursor.get().event.problems, progress)
        finally:
            _release(output)
            batch.reset()
            if cursor.get() != NULL:
                self.engine.get().give_back(move(cursor))

    cdef object _to_ndjson_by_threads(self, Slice input, ReadOptions options, size_t threads, size_t max_output_bytes,
                                      _Progress* progress):
        cdef unique_ptr[ParallelNdjson] batch
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        batch.reset(new ParallelNdjson(self.engine.get()[0], input, options))
        if max_output_bytes != <size_t>-1:
            batch.get().max_part_bytes = _MAX_PART_BYTES
        try:
            output = self._new_output(input.size_bytes, max_output_bytes, &capacity_bytes)
            memory = PyBytes_AsString(<object>output)
            advise_huge_pages(memory, capacity_bytes)
            with nogil:
                batch.get().run(threads, memory, capacity_bytes)
            if options.stop_at_reject and batch.get().rejects.size() != 0:
                raise RecordError(*_reject_fields(batch.get().rejects.at(0)))
            if batch.get().written_bytes > capacity_bytes:
                capacity_bytes = batch.get().written_bytes
                _resize(&output, capacity_bytes)
                batch.get().finish(PyBytes_AsString(<object>output))
            self._cut_output(&output, batch.get().consumed_bytes, capacity_bytes, batch.get().written_bytes)
            progress.consumed_bytes = batch.get().consumed_bytes
            progress.newlines = batch.get().newlines
            progress.state = batch.get().state
            progress.more = batch.get().is_cut
            return self._result(<object>output, batch.get().events, batch.get().blank, batch.get().rejects,
                                batch.get().problems, progress)
        finally:
            _release(output)

    # Convert at most max_part_rows rows, and with several threads up to the end of a piece more.
    cdef object _to_arrow(self, data, take, ReadOptions options, size_t threads, size_t max_part_rows,
                          _Progress* progress):
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
            batch.reset(new ArrowBatch(self.engine.get()[0], self.plan.arrow, input, options))
            batch.get().max_part_rows = max_part_rows
            with nogil:
                batch.get().run(threads)
            if options.stop_at_reject and batch.get().rejects.size() != 0:
                raise RecordError(*_reject_fields(batch.get().rejects.at(0)))
            batch.get().hand_over(array)
            output = take(<uintptr_t>&array)
            progress.consumed_bytes = batch.get().consumed_bytes
            progress.newlines = batch.get().newlines
            progress.state = batch.get().state
            progress.more = batch.get().is_cut
            return self._result(output, batch.get().events, batch.get().blank, batch.get().rejects,
                                batch.get().problems, progress)
        finally:
            PyBuffer_Release(&view)
            if array.release != NULL:
                array.release(&array)

    # Bytes to write to, with room for the output that the input will probably have.
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
                        const vector[uint64_t]& problems, _Progress* progress):
        found = _taken_rejects(rejects, progress.lines_before, progress.bytes_before)
        return Result(output, events, blank, found, self.plan._problems(problems))
