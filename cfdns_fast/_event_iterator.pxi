# Events one by one; part of _core.pyx.

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
    Not for several threads at once. It owns what it needs of the input. After a MemoryError it cannot go on. It keeps
    the last two events, which later ones are made of if nobody else has them then (not where REUSES_EVENTS is false).
    """

    cdef Plan plan
    cdef shared_ptr[Engine] engine  # of the plan; the garbage collector may have cleared that before __dealloc__
    cdef object data
    cdef unique_ptr[Cursor] cursor
    cdef ShortTexts short_texts
    cdef bint raise_on_reject
    cdef bint running  # or failed
    cdef list refused
    # The last two events, which a later one is made of if nobody else has them any more: in a loop, the last one still has
    # a name when the next is asked for.
    cdef object last
    cdef object last_but_one
    cdef Leftovers leftovers

    def __cinit__(self, Plan plan not None, data, bint raise_on_reject, bint document):
        cdef Slice input
        self.plan = plan
        self.engine = plan.engine
        # Whatever is not bytes may change or vanish before the iterator is done.
        self.data = data if type(data) is bytes else first_bytes(data, <size_t>-1)
        self.raise_on_reject = raise_on_reject
        self.refused = []
        self.cursor = self.engine.get().borrow()
        input = _slice(self.data)
        self.cursor.get().start(input, True, 0, _RAW_LIMIT_BYTES)
        if document:
            self.cursor.get().read_document(0)

    def __dealloc__(self):
        if self.cursor.get() != NULL:
            self.engine.get().give_back(move(self.cursor))

    def __iter__(self):
        return self

    # Without the GIL, threads that use one iterator at once must not break it: one of them gets the ValueError of advance().
    def __next__(self):
        with cython.critical_section(self):
            event = self.advance(True)
        if event is None:
            raise StopIteration
        return event

    # What is let go of here may be anybody's, run anybody's code, ask for the next event and drop the iterator: that comes
    # last, and the caller holds a reference to the iterator (in __next__ the critical section does).
    cdef object advance(self, bint reuse_events):
        cdef Cursor* cursor = self.cursor.get()
        cdef Turn turn
        if self.running:
            raise ValueError("iterator is already running, or has failed")
        # It stays so if memory runs out: the record at hand is lost then, and going on would hide that.
        self.running = True
        while True:
            turn = cursor.next()
            if turn == Turn.event:
                event = self.plan._dict(cursor.event, cursor.message(), True, &self.short_texts,
                                        <PyObject*>self.last_but_one, &self.leftovers)
                spare = None
                if reuse_events and DictPlaces.is_layout_known():
                    spare = self.last_but_one
                    self.last_but_one = self.last
                    self.last = event
                self.running = False
                spare = None  # the old event first: it may share dicts with the new one
                self.leftovers.release()
                return event
            if turn == Turn.end:
                self.running = False
                # Both are held until neither is an attribute: some Cython lets go of a value before it replaces it.
                spare, last = self.last_but_one, self.last
                self.last_but_one = None
                self.last = None
                return None
            self.refused.append(_new_reject(cursor.reject))
            if self.raise_on_reject:
                error = RecordError(*_reject_fields(cursor.reject))
                self.running = False
                raise error

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
        with cython.critical_section(self):
            return tuple(self.refused)

    @property
    def problems(self):
        with cython.critical_section(self):
            return self.plan._problems(self.cursor.get().event.problems)
