# What is borrowed from Python objects, and bytes to write to; part of boundary.pyx.

cdef extern from *:
    """
    static PyObject* cfdns_new_bytes(Py_ssize_t size_bytes) { return PyBytes_FromStringAndSize(nullptr, size_bytes); }

    // Make bytes of our own shorter, and leave their block as it is.
    static void cfdns_set_size(PyObject* bytes, Py_ssize_t size_bytes) {
      PyBytes_AsString(bytes)[size_bytes] = 0;
      Py_SET_SIZE(reinterpret_cast<PyVarObject*>(bytes), size_bytes);
    }

    // Give bytes of our own another size; where that fails, they are released. The Limited API can only copy them.
    static int cfdns_resize(PyObject** bytes, Py_ssize_t size_bytes) {
    #ifndef Py_LIMITED_API
      return _PyBytes_Resize(bytes, size_bytes);
    #else
      PyObject* before = *bytes;
      *bytes = PyBytes_FromStringAndSize(nullptr, size_bytes);
      if (*bytes != nullptr) {
        Py_ssize_t before_bytes = PyBytes_Size(before);
        std::memcpy(PyBytes_AsString(*bytes), PyBytes_AsString(before),
                    static_cast<size_t>(size_bytes < before_bytes ? size_bytes : before_bytes));
      }
      Py_DECREF(before);
      return *bytes == nullptr ? -1 : 0;
    #endif
    }
    """
    int _resize "cfdns_resize"(PyObject**, Py_ssize_t) except -1
    void _set_size "cfdns_set_size"(PyObject*, Py_ssize_t)
    PyObject* _new_bytes "cfdns_new_bytes"(Py_ssize_t) except NULL
    void _release "Py_XDECREF"(PyObject*)


# First of all in what calls C++ that may throw.
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


def first_bytes(data, size_t most_bytes, bint skip_padding=False):
    """Return a copy of the first bytes of data, or with skip_padding of the first ones after the NULs it begins with."""
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
        return PyBytes_FromStringAndSize(start, min(left, most_bytes))
    finally:
        PyBuffer_Release(&view)
