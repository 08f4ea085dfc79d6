# Inspects the value at the start of a document; part of boundary.pyx.

# See Converter.inspect_start.
cdef tuple _inspect_start(Plan plan, data, size_t line_bytes, bint final):
    cdef Py_buffer view
    cdef unique_ptr[DocumentSplitter] splitter
    cdef Slice input
    cdef Slice item
    cdef Members members
    cdef const char* at
    cdef const char* line_end
    cdef cbool is_wrapper = False
    cdef Found found
    cdef ReadOptions options = ReadOptions()
    _check_memory()
    _get_buffer(data, &view)
    try:
        splitter.reset(new DocumentSplitter(plan.shared.get()[0]))
        input.data = at = <const char*>view.buf
        input.size_bytes = view.len
        line_end = at + line_bytes
        options.final = final
        splitter.get().start(input, options)
        end = at - input.data if skip_brackets(at, line_end) == SkipResult.complete else -1
        frame = end >= 0 and input.data[0] == b"{" and splitter.get().frames_record(input.data, at)
        wrapper = None
        if splitter.get().is_wrapper(input.data, is_wrapper, members) == SkipResult.complete:
            wrapper = is_wrapper
        later = "end"
        if end < 0:
            while True:
                found = splitter.get().next(item)
                # Data after the value must not change the answer, because it may not have arrived yet.
                if splitter.get().first_end() != NULL:
                    later = "item"
                elif found == Found.fault or splitter.get().state() == broken_document:
                    later = "fault"
                elif found == Found.item:
                    if splitter.get().position() <= line_end:
                        continue
                    later = "item"
                break
        return end, wrapper, frame, later
    finally:
        PyBuffer_Release(&view)
