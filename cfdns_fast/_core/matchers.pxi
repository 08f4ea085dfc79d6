# The matchers, and the names that they look for; part of boundary.pyx.

from os import urandom

cdef size_t _PADDING_BYTES = padding_bytes

CNameHash.set_secret(int.from_bytes(urandom(8), "little"), int.from_bytes(urandom(8), "little"))


def decode_sliver(bytes name not None):
    """Return (number of the message, number of the encoder, id, start of the parent) of a name; None if it has none."""
    cdef CSliverName found
    cdef Slice text
    cdef bytes padded = name.strip(b".")
    cdef size_t size_bytes = len(padded)
    padded += bytes(_PADDING_BYTES)
    text = _slice(padded)
    text.size_bytes = size_bytes
    if not CSliverDecoder.may_match(text) or not CSliverDecoder.decode(text, found):
        return None
    return <int>found.message, <int>found.encoder, found.id, found.parent


@cython.final
@cython.no_gc
cdef class SliverNames:
    """Finds query names of Sliver's DNS channel. `Detection.rule` is the number of the message, `detail` its id."""

    def __reduce__(self):
        return SliverNames, ()


@cython.no_gc
cdef class CompiledNetworks:
    """Compiled networks; the base of matching.NetworkTable, which describes them. Immutable.

    Parameters
    ----------
    networks : list of (address, bits, roles, metadata)
        The address has 16 bytes; that of IPv4 is mapped.
    """

    cdef shared_ptr[CNetworkTable] native

    def __cinit__(self, networks not None):
        cdef bytes address
        _check_memory()
        self.native = make_shared[CNetworkTable]()
        for address, bits, roles, metadata in networks:
            self.native.get().add(_view(address), bits, roles, metadata)
        self.native.get().finish()

    def __init__(self, *arguments):
        pass

    def __len__(self):
        return self.native.get().size()

    @property
    def memory_bytes(self):
        """The memory that the table needs."""
        return self.native.get().memory_bytes()

    def _row(self, size_t row):
        """Return the address as a number, the bits, the roles and the number of a row."""
        if row >= self.native.get().size():
            raise IndexError("no such row")
        cdef const CNetworkRow* found = &self.native.get().row(row)
        return <object>found.high << 64 | <object>found.low, found.bits, found.roles, found.metadata


@cython.final
@cython.no_gc
cdef class NameTable:
    """A set of names; matching/names.py describes it. Immutable.

    Attributes
    ----------
    networks : CompiledNetworks or None
        Networks that belong to the names, for matchers.
    """

    cdef shared_ptr[const CNameTable] table
    cdef readonly CompiledNetworks networks

    def __init__(self):
        raise TypeError("a NameTable is made by NameTableBuilder.build()")

    def __len__(self):
        return self.table.get().size()

    @property
    def memory_bytes(self):
        """The memory that the table needs."""
        return self.table.get().memory_bytes()

    def name_of(self, size_t row):
        """Return the name of a row, which is `Detection.rule`."""
        return self._row(row)[0]

    def metadata_of(self, size_t row):
        """Return the number that was given to `add` with the name of a row."""
        return self._row(row)[1]

    def flags_of(self, size_t row):
        """Return the flags of a row."""
        return self._row(row)[2]

    def rows(self):
        """Yield (row, name, flags, metadata) for each name, in the order in which the names were added."""
        cdef size_t row = 0
        while row < self.table.get().rows_bytes():
            name, metadata, flags, after = self._read(row)
            yield row, name, flags, metadata
            row = after

    def with_networks(self, CompiledNetworks networks):
        """Return a table of the same names that has these networks."""
        cdef NameTable made = NameTable.__new__(NameTable)
        made.table = self.table
        made.networks = networks
        return made

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def find(self, bytes name not None):
        """Return (row, metadata, start of the matched part in the name) for the longest name that applies, or None."""
        cdef CNameMatch match
        cdef CMatchName wanted
        cdef bytes padded = name.strip(b".")
        cdef size_t size_bytes = len(padded)
        if not 0 < size_bytes <= max_matched_bytes:
            return None
        padded += bytes(_PADDING_BYTES)
        wanted.text = _slice(padded)
        wanted.text.size_bytes = size_bytes
        wanted.plain = b"\\" not in name
        if not self.table.get().find_unsplit(wanted, match):
            return None
        return match.row, match.metadata, match.start

    cdef tuple _row(self, size_t row):
        if not self.table.get().has_row(row):
            raise IndexError("no such row")
        return self._read(row)

    cdef tuple _read(self, size_t row):
        cdef CNameRow found = self.table.get().row(row)
        name = PyBytes_FromStringAndSize(found.name.data, found.name.size_bytes).decode("ascii", "replace")
        return name, found.metadata, found.flags, found.next


# The names of NameOutcome, in its order.
cdef tuple _NAME_OUTCOMES = ("added", "duplicate", "public_suffix", "single_label", "too_long", "not_ascii", "address",
                             "invalid")


@cython.final
@cython.no_gc
cdef class NameTableBuilder:
    """Collects names for a NameTable; matching/names.py describes it. One thread at a time may use it."""

    cdef unique_ptr[CNameTableBuilder] builder
    cdef bint is_used  # another thread may run without the GIL
    cdef SuffixTable icann
    cdef SuffixTable all

    def __cinit__(self, SuffixTable icann not None, SuffixTable all not None):
        _check_memory()
        self.icann = icann
        self.all = all
        self.builder.reset(new CNameTableBuilder(<shared_ptr[const CSuffixTable]>icann.table,
                                                 <shared_ptr[const CSuffixTable]>all.table))

    def __len__(self):
        with cython.critical_section(self):
            return self._open().size()

    def add(self, bytes name not None, uint8_t flags, uint32_t metadata):
        """Add a name. Returns what became of it."""
        with cython.critical_section(self):
            return _NAME_OUTCOMES[<int>self._open().add(_slice(name), flags, metadata)]

    def add_lines(self, data, uint8_t flags, uint8_t wildcard_flags, uint32_t metadata):
        """Add the name of each line. Returns the number of names by what became of them."""
        cdef Py_buffer view
        cdef Slice text
        cdef size_t[8] counts
        cdef CNameTableBuilder* builder
        cdef size_t i
        for i in range(8):
            counts[i] = 0
        _check_memory()
        _get_buffer(data, &view)
        try:
            text.data = <const char*>view.buf
            text.size_bytes = view.len
            builder = self._take()
            try:
                with nogil:
                    builder.add_lines(text, flags, wildcard_flags, metadata, counts)
            finally:
                self.is_used = False
        finally:
            PyBuffer_Release(&view)
        cdef dict found = {}
        for i in range(8):
            if counts[i] != 0:
                found[_NAME_OUTCOMES[i]] = counts[i]
        return found

    def build(self):
        """Return the table. Every later call raises ValueError."""
        cdef NameTable made = NameTable.__new__(NameTable)
        cdef CNameTableBuilder* builder
        _check_memory()
        builder = self._take()
        try:
            with nogil:
                made.table = builder.build()
        finally:
            self.builder.reset()
            self.is_used = False
        return made

    cdef CNameTableBuilder* _open(self) except NULL:
        if self.is_used:
            raise ValueError("another thread uses the builder")
        if self.builder.get() == NULL:
            raise ValueError("the table was built")
        return self.builder.get()

    cdef CNameTableBuilder* _take(self) except NULL:
        cdef CNameTableBuilder* builder
        with cython.critical_section(self):
            builder = self._open()
            self.is_used = True
        return builder


@cython.final
@cython.no_gc
cdef class SharedNameTable:
    """Holds a NameTable that may be replaced; matching/names.py describes it."""

    cdef NameTable current

    def __cinit__(self, NameTable table not None):
        self.current = table

    def __reduce__(self):
        return SharedNameTable, (self.table,)

    @property
    def table(self):
        """The table that calls use which begin now."""
        with cython.critical_section(self):
            return self.current

    @table.setter
    def table(self, NameTable table not None):
        with cython.critical_section(self):
            self.current = table


@cython.no_gc
cdef class CompiledPredicates:
    """Compiled conditions; the base of matching.Predicates, which describes them. Immutable.

    Parameters
    ----------
    patterns : list of (field, kind, text, cased)
    compiled : list of (program, pieces)
        For each condition its instructions, and the pieces of which a name has one; None if every name may match.
    fields : list of int
        The fields that patterns compare.
    """

    cdef shared_ptr[CPredicates] native
    cdef readonly tuple fields

    def __cinit__(self, list patterns not None, list compiled not None, list fields not None):
        cdef bytes text
        _check_memory()
        self.native = make_shared[CPredicates]()
        self.fields = tuple(fields)
        for field, kind, text, cased in patterns:
            self.native.get().add_pattern(field, kind, _view(text), cased)
        for program, pieces in compiled:
            self.native.get().begin_condition()
            for code, operand, count in program:
                self.native.get().add_instruction(code, operand, count)
            if pieces is None:
                self.native.get().screen_no_names()
                continue
            for place, text in pieces:
                self.native.get().add_piece(place, _view(text))
        self.native.get().finish()

    def __init__(self, *arguments):
        pass

    def __len__(self):
        return self.native.get().size()


# The matchers of a call. It never changes.
@cython.final
@cython.no_gc
cdef class _Matchers:
    cdef CMatcherSet native
    cdef tuple seen  # the matchers, with the table that a shared table had

    def __cinit__(self, tuple matchers not None):
        cdef uint32_t number
        _check_memory()
        self.seen = matchers
        for number in range(len(matchers)):
            matcher = matchers[number]
            if type(matcher) is SliverNames:
                if self.native.has_sliver():
                    raise ValueError("detect has more than one matcher for Sliver")
                self.native.add_sliver(number)
            elif type(matcher) is NameTable:
                self.native.add_names(number, (<NameTable>matcher).table)
                networks = (<NameTable>matcher).networks
                if networks is not None:
                    self.native.add_networks(
                        number, <shared_ptr[const CNetworkTable]>(<CompiledNetworks>networks).native
                    )
            elif isinstance(matcher, CompiledNetworks):
                self.native.add_networks(
                    number, <shared_ptr[const CNetworkTable]>(<CompiledNetworks>matcher).native
                )
            elif isinstance(matcher, CompiledPredicates):
                self.native.add_predicates(number, <shared_ptr[const CPredicates]>(<CompiledPredicates>matcher).native)
            else:
                raise TypeError(f"not a matcher: {type(matcher).__name__}")
