# Rejects of the C++ as those of Python; part of _core.pyx.

cdef extern from "Python.h":
    ctypedef int (*descrsetfunc)(object, object, object) except -1
    int Py_tp_descr_set
    void* PyType_GetSlot(type, int) except NULL
    object PyType_GenericAlloc(type, Py_ssize_t)


cdef tuple _REJECT_CODES = tuple(REJECT_CODES)
cdef size_t _RAW_LIMIT_BYTES = RAW_LIMIT_BYTES
cdef tuple _REJECT_SLOTS = tuple(map(Reject.__dict__.__getitem__, Reject.__slots__))
cdef descrsetfunc _set_slot = <descrsetfunc>PyType_GetSlot(type(_REJECT_SLOTS[0]), Py_tp_descr_set)


cdef tuple _reject_fields(const CReject& reject, uint64_t lines_before=0, uint64_t bytes_before=0):
    cdef str code = _REJECT_CODES[<int>reject.code]
    return (lines_before + reject.line, bytes_before + reject.byte_offset, reject.byte_length, code, <bytes>reject.raw)


# A frozen dataclass sets each field through object.__setattr__: 400 ns. Setting its slots takes 100 (measured: a tenth of a
# batch of which a fifth are bad lines).
cdef object _new_reject(const CReject& reject, uint64_t lines_before=0, uint64_t bytes_before=0):
    cdef object made = PyType_GenericAlloc(Reject, 0)
    cdef tuple fields = _reject_fields(reject, lines_before, bytes_before)
    cdef Py_ssize_t i
    for i in range(len(fields)):
        _set_slot(_REJECT_SLOTS[i], made, fields[i])
    return made


cdef tuple _new_rejects(const vector[CReject]& rejects, uint64_t lines_before, uint64_t bytes_before):
    cdef list made = []
    cdef size_t i
    # As in Plan.to_dicts.
    cdef int collecting = cfdns_pause_gc()
    try:
        for i in range(rejects.size()):
            made.append(_new_reject(rejects[i], lines_before, bytes_before))
    finally:
        cfdns_resume_gc(collecting)
    return tuple(made)


cdef tuple _whole(Slice input, str code):
    return (1, 0, input.size_bytes, code, PyBytes_FromStringAndSize(input.data, min(input.size_bytes, _RAW_LIMIT_BYTES)))
