# Converter: converts batches by a plan; part of boundary.pyx.

# Limits of one part of a stream, because an event may be many times larger than its record. With several threads,
# _MAX_PART_BYTES is the limit of each piece. Arrow counts rows, because a row may need no bytes.
cdef size_t _MAX_OUTPUT_BYTES = 4 << 20
cdef size_t _MAX_PART_BYTES = 1 << 20
cdef size_t _MAX_SHARED_OUTPUT_BYTES = 16 << 20  # of several threads, which would wait for each other at smaller parts
cdef size_t _MAX_PART_ROWS = 1 << 16


cdef inline ReadOptions _whole_batch(bint raise_on_reject, bint document) noexcept:
    cdef ReadOptions options = ReadOptions()
    options.stop_at_reject = raise_on_reject
    options.is_document = document
    options.raw_limit_bytes = _RAW_LIMIT_BYTES
    return options


# What a conversion has read, besides its Result, and the positions before its data.
cdef struct _Progress:
    uint64_t consumed_bytes
    uint64_t newlines
    uint64_t lines_before
    uint64_t bytes_before
    uint8_t state
    bint more


cdef str _LACKED_FIELDS = (
    "detect has a condition on a field that the mapping does not have as text: type is dns.question.type, rcode is "
    "dns.response_code, source is source.ip; in OCSF type is query.type, and source is src_endpoint.ip"
)


cdef tuple _seen(tuple matchers):
    cdef list seen = []
    for matcher in matchers:
        seen.append((<SharedNameTable>matcher).table if type(matcher) is SharedNameTable else matcher)
    return tuple(seen)


# Not tracked by the garbage collector: it refers only to immutable objects, so it cannot be part of a cycle.
@cython.no_gc
cdef class Converter:
    """Converts batches by a plan; calls share its workspaces. Any number of threads may use it at once."""

    cdef readonly Plan plan
    cdef shared_ptr[Engine] engine
    cdef readonly tuple matchers  # as they were given
    cdef _Matchers current  # as the last call used them

    def __cinit__(self, Plan plan not None, tuple matchers not None=()):
        _check_memory()
        self.plan = plan
        self.engine = make_shared[Engine](<shared_ptr[const CPlan]>plan.shared)
        self.matchers = matchers
        if matchers:
            if not plan.is_matched:
                raise ValueError("the plan has no name for matchers")
            for matcher in matchers:
                if isinstance(matcher, CompiledPredicates) and not plan.matched_fields.issuperset(matcher.fields):
                    raise ValueError(_LACKED_FIELDS)
            self.current = _Matchers(_seen(matchers))

    # Return the matchers for a call that begins; None if there are none. Tables may have been replaced.
    cdef _Matchers _matchers(self):
        cdef _Matchers found
        if self.current is None:
            return None
        with cython.critical_section(self):
            found = self.current
            seen = _seen(self.matchers)
            for one, other in zip(seen, found.seen):
                if one is not other:
                    found = self.current = _Matchers(seen)
                    break
        return found

    def pinned(self):
        """Return a converter that keeps the tables of now, also when shared ones are replaced."""
        cdef Converter made
        cdef _Matchers matchers = self._matchers()
        if matchers is None:
            return self
        made = Converter.__new__(Converter, self.plan, matchers.seen)
        made.engine = self.engine
        return made

    def to_ndjson(self, data, *, bint raise_on_reject=False, bint document=False, size_t threads=1):
        """Convert a batch; see Normalizer.to_ndjson. A document is converted by one thread."""
        cdef _Progress progress = _Progress(0, 0, 0, 0, 0, False)
        return self._to_ndjson(data, _whole_batch(raise_on_reject, document), threads, <size_t>-1, &progress)

    def to_arrow(self, data, take, *, bint raise_on_reject=False, bint document=False, size_t threads=1):
        """Convert a batch; see Normalizer.to_arrow.

        `take` is called with the address of a struct ArrowArray, and must move the array out. Its result is the output.
        """
        cdef _Progress progress = _Progress(0, 0, 0, 0, 0, False)
        return self._to_arrow(data, take, _whole_batch(raise_on_reject, document), threads, <size_t>-1, &progress)

    def to_dicts(self, data, *, bint raise_on_reject=False, bint document=False):
        """Convert a batch; see Normalizer.to_dicts."""
        cdef EventIterator iterator = EventIterator.__new__(EventIterator, self, data, raise_on_reject, document)
        cdef list output = []
        # New dicts cannot be part of a cycle, and many of them would start the collector again and again.
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
        return Result(output, iterator.events, iterator.blank, iterator.rejects, iterator.problems, iterator.detections)

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
                    # The record itself is valid UTF-8: another record follows it, or the buffer has changed.
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
        """Describe the value at the start of data, which is a bracket. The first line has line_bytes bytes.

        Returns
        -------
        end : int
            The position at which the brackets of the value balance; -1 if the first line does not hold it.
        wrapper : bool or None
            Whether the value is an array, or an object around records; None if only more data can show it.
        frame : bool
            Whether the value is an object in the first line that is only the frame of a record.
        later : str
            If the value does not end in the first line: ``"item"`` if an element or the value ends in a later line,
            ``"fault"`` if invalid JSON comes first, ``"end"`` if data holds neither.
        """
        return _inspect_start(self.plan, data, line_bytes, final)

    # Stop after the event that reaches max_output_bytes. `progress` holds the positions before the data.
    cdef object _to_ndjson(self, data, ReadOptions options, size_t threads, size_t max_output_bytes,
                           _Progress* progress):
        cdef Py_buffer view
        cdef Slice input
        cdef _Matchers matchers = self._matchers()
        _check_memory()
        if matchers is not None:
            options.matchers = &matchers.native
        _get_buffer(data, &view)
        try:
            input.data = <const char*>view.buf
            input.size_bytes = view.len
            threads = min(threads, ParallelNdjson.max_threads(input.size_bytes))
            if threads > 1 and not options.is_document:
                return self._to_ndjson_by_threads(input, options, threads, max_output_bytes, progress, matchers)
            return self._to_ndjson_alone(input, options, max_output_bytes, progress, matchers)
        finally:
            PyBuffer_Release(&view)

    cdef object _to_ndjson_alone(self, Slice input, ReadOptions options, size_t max_output_bytes, _Progress* progress,
                                 _Matchers matchers):
        cdef unique_ptr[Cursor] cursor
        cdef unique_ptr[Batch] batch
        cdef BatchState state
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        try:
            cursor = self.engine.get().borrow()
            cursor.get().start(input, options)
            batch.reset(new Batch(cursor.get()[0], self.engine.get().plan, options))
            batch.get().max_rejects = Batch.rejects_of(max_output_bytes)
            output = self._new_output(input.size_bytes, max_output_bytes, &capacity_bytes)
            while True:
                memory = PyBytes_AsString(<object>output)
                advise_huge_pages(memory, capacity_bytes)
                with nogil:
                    state = batch.get().run(memory, capacity_bytes, max_output_bytes)
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
                                cursor.get().event.problems, progress,
                                _taken_detections(batch.get().detections, matchers, True))
        finally:
            _release(output)
            batch.reset()
            if cursor.get() != NULL:
                self.engine.get().give_back(move(cursor))

    cdef object _to_ndjson_by_threads(self, Slice input, ReadOptions options, size_t threads, size_t max_output_bytes,
                                      _Progress* progress, _Matchers matchers):
        cdef unique_ptr[ParallelNdjson] batch
        cdef PyObject* output = NULL
        cdef char* memory
        cdef size_t capacity_bytes
        batch.reset(new ParallelNdjson(self.engine.get()[0], input, options))
        if max_output_bytes != <size_t>-1:
            batch.get().max_part_bytes = _MAX_PART_BYTES
            batch.get().max_output_bytes = _MAX_SHARED_OUTPUT_BYTES
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
                                batch.get().problems, progress,
                                _taken_detections(batch.get().detections, matchers, True))
        finally:
            _release(output)

    # Convert at most max_part_rows rows, and with several threads up to the end of a piece more.
    cdef object _to_arrow(self, data, take, ReadOptions options, size_t threads, size_t max_part_rows,
                          _Progress* progress):
        cdef Py_buffer view
        cdef Slice input
        cdef ArrowArray array
        cdef unique_ptr[ArrowBatch] batch
        cdef _Matchers matchers = self._matchers()
        array.release = NULL
        _check_memory()
        if matchers is not None:
            options.matchers = &matchers.native
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
                                batch.get().problems, progress,
                                _taken_detections(batch.get().detections, matchers, False))
        finally:
            PyBuffer_Release(&view)
            if array.release != NULL:
                array.release(&array)

    # Return a bytes object to write to, with an estimated capacity for the output of the input.
    cdef PyObject* _new_output(self, size_t input_bytes, size_t max_output_bytes, size_t* capacity_bytes) except NULL:
        capacity_bytes[0] = self.engine.get().room.capacity(input_bytes)
        if max_output_bytes != <size_t>-1:
            # The output may exceed the limit, because each thread finishes its piece.
            capacity_bytes[0] = min(capacity_bytes[0], 3 * max_output_bytes)
        try:
            return _new_bytes(capacity_bytes[0])
        except MemoryError:
            # Memory is limited, so begin with a small capacity. The output grows as needed.
            capacity_bytes[0] = 4096 + input_bytes
            return _new_bytes(capacity_bytes[0])

    cdef int _cut_output(self, PyObject** output, size_t input_bytes, size_t capacity_bytes,
                         size_t used_bytes) except -1:
        self.engine.get().room.learn(input_bytes, used_bytes)
        if OutputRoom.is_full(capacity_bytes, used_bytes):
            _set_size(output[0], used_bytes)
            return 0
        return _resize(output, used_bytes)

    cdef object _result(self, output, uint64_t events, uint64_t blank, CRejectList& rejects,
                        const vector[uint64_t]& problems, _Progress* progress, detections):
        found = _taken_rejects(rejects, progress.lines_before, progress.bytes_before)
        return Result(output, events, blank, found, self.plan._problems(problems), detections)
