# EventIterator: builds the events of a batch one by one; part of boundary.pyx.

cdef enum:
    _RECORDS_BETWEEN_PAUSES = 1000  # see pause()


# Not tracked by the garbage collector: its members cannot refer to it, so it cannot be part of a cycle.
@cython.no_gc
cdef class EventIterator:
    """The events of one batch; each is built when it is requested.

    Attributes
    ----------
    events, blank : int
    detections : Detections
    rejects : Rejects
    problems : dict[str, int]
        As in `Result`, for the records that were read so far.

    Notes
    -----
    One thread at a time may use it. It owns a copy of the input if that is not bytes, and keeps no event. After a
    MemoryError it cannot be used again.
    """

    cdef Plan plan
    cdef shared_ptr[Engine] engine  # of the converter
    cdef object data
    cdef unique_ptr[Cursor] cursor
    cdef ShortTexts short_texts
    cdef bint raise_on_reject
    cdef bint running          # also true after a failure
    cdef long thread           # the thread that requested the last event
    cdef unsigned int turns    # since the last pause
    cdef bint pauses_gc        # see Converter.to_dicts
    cdef int resumes_gc
    cdef RejectBuilder refused
    cdef _Matchers matchers    # None if there are none
    cdef unique_ptr[Detector] detector
    cdef _Found found

    def __cinit__(self, Converter converter not None, data, bint raise_on_reject, bint document):
        cdef Slice input
        _check_memory()
        self.plan = converter.plan
        self.engine = converter.engine
        # Other buffers are copied, because they may change or be released before the iterator ends.
        self.data = data if type(data) is bytes else first_bytes(data, <size_t>-1)
        self.raise_on_reject = raise_on_reject
        self.refused = RejectBuilder()
        self.matchers = converter._matchers()
        if self.matchers is not None:
            self.found = _Found.__new__(_Found)
            self.found.matchers = self.matchers.seen
            self.detector.reset(new Detector(self.plan.shared.get()[0], self.matchers.native))
        self.cursor = self.engine.get().borrow()
        input = _slice(self.data)
        self.cursor.get().start(input, _whole_batch(False, document))

    def __dealloc__(self):
        if self.cursor.get() != NULL:
            self.engine.get().give_back(move(self.cursor))

    def __iter__(self):
        return self

    # Without the GIL, the lock protects the state from other threads; they get the ValueError of advance().
    def __next__(self):
        with cython.critical_section(self):
            event = self.advance()
        if event is None:
            raise StopIteration
        return event

    # Release the GIL once for other threads, and run the handlers of signals, which may raise. The garbage collector
    # is on meanwhile.
    cdef int pause(self) except -1:
        self.turns = 0
        cfdns_resume_gc(self.resumes_gc)
        self.resumes_gc = False
        with nogil:
            pass
        PyErr_CheckSignals()
        if self.pauses_gc:
            self.resumes_gc = cfdns_pause_gc()
        return 0

    cdef object advance(self):
        cdef Cursor* cursor = self.cursor.get()
        cdef Turn turn
        cdef long thread
        if self.running:
            raise ValueError("iterator is already running, or has failed")
        thread = PyThread_get_thread_ident()
        if thread != self.thread:
            _check_memory()
            self.thread = thread
        # Stays true after a failure: a record is lost then, and another event would hide the loss.
        self.running = True
        while True:
            self.turns += 1
            if self.turns > _RECORDS_BETWEEN_PAUSES:
                # No record is lost if a signal handler raises, so the iterator stays usable.
                try:
                    self.pause()
                except BaseException:
                    self.running = False
                    raise
            turn = cursor.next()
            if turn == Turn.event:
                if self.detector.get() != NULL:
                    self._detect()
                event = self.plan._dict(cursor.event, cursor.message(), True, &self.short_texts)
                self.running = False
                return event
            if turn == Turn.end:
                self.running = False
                return None
            self.refused._add(cursor.reject)
            if self.raise_on_reject:
                error = RecordError(*_reject_fields(cursor.reject))
                self.running = False
                raise error

    cdef int _detect(self) except -1:
        cdef Cursor* cursor = self.cursor.get()
        self.detector.get().begin(cursor.record(), cursor.event)
        if self.detector.get().may_match():
            with cython.critical_section(self.found):
                self.detector.get().finish(cursor.event, cursor.events - 1, 0, self.found.native)
        return 0

    @property
    def detections(self):
        return () if self.found is None else _detections_of(self.found)

    @property
    def events(self):
        with cython.critical_section(self):
            return self.cursor.get().events

    @property
    def blank(self):
        with cython.critical_section(self):
            return self.cursor.get().blank

    @property
    def rejects(self):
        return self.refused.rejects()

    @property
    def problems(self):
        with cython.critical_section(self):
            return self.plan._problems(self.cursor.get().event.problems)
