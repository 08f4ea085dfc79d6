# Tests the first two bytes of a batch for signatures of other formats; part of boundary.pyx.

cdef cbool _FIRST_BYTES[256]
cdef cbool _SECOND_BYTES[256]
cdef int _each
for _each in range(256):
    _FIRST_BYTES[_each] = _each in FIRST_BYTES
    _SECOND_BYTES[_each] = _each in SECOND_BYTES


def may_be_foreign(data):
    """Return False if data certainly begins with no signature of signatures.py."""
    cdef Py_buffer view
    cdef const unsigned char* text
    cdef bint may_be = False
    _get_buffer(data, &view)
    if view.len > 1:
        text = <const unsigned char*>view.buf
        may_be = text[0] == 0 or text[1] == 0 or (_FIRST_BYTES[text[0]] and _SECOND_BYTES[text[1]])
    PyBuffer_Release(&view)
    return may_be
