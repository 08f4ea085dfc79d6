# Borrows buffers of Python objects and makes bytes objects to write to; part of boundary.pyx.

cdef extern from *:
    """
    static PyObject* cfdns_new_bytes(Py_ssize_t size_bytes) { return PyBytes_FromStringAndSize(nullptr, size_bytes); }

    // Shorten a bytes object that has one reference. Its memory block keeps its size.
    static void cfdns_set_size(PyObject* bytes, Py_ssize_t size_bytes) {
      PyBytes_AsString(bytes)[size_bytes] = 0;
      Py_SET_SIZE(reinterpret_cast<PyVarObject*>(bytes), size_bytes);
    }

    """
    # Releases the bytes and sets the pointer to null on failure.
    int _resize "_PyBytes_Resize"(PyObject**, Py_ssize_t) except -1
    void _set_size "cfdns_set_size"(PyObject*, Py_ssize_t)
    PyObject* _new_bytes "cfdns_new_bytes"(Py_ssize_t) except NULL
    void _release "Py_XDECREF"(PyObject*)


# Call this before any C++ that may throw, because a throw without memory for it ends the process.
cdef int _check_memory() except -1:
    if not can_throw():
        raise MemoryError
    return 0


cdef int _get_buffer(object data, Py_buffer* view) except -1:
    if isinstance(data, str):
        raise TypeError("data must be bytes-like, not str: encode it first, for example data.encode('utf-8')")
    try:
        return PyObject_GetBuffer(data, view, PyBUF_SIMPLE)
    except TypeError:
        raise TypeError(f"data must be bytes-like, not {type(data).__name__}") from None
    except BufferError:
        raise TypeError("data must be contiguous in memory") from None


def first_bytes(data, size_t max_bytes, bint skip_padding=False):
    """Return a copy of at most the first max_bytes bytes of data; with skip_padding, leading NULs are skipped first."""
    cdef Py_buffer view
    cdef const char* start
    cdef size_t left
    _get_buffer(data, &view)
    try:
        start = <const char*>view.buf
        left = view.len
        while skip_padding and left != 0 and start[0] == 0:
            start += 1
            left -= 1
        return PyBytes_FromStringAndSize(start, min(left, max_bytes))
    finally:
        PyBuffer_Release(&view)
