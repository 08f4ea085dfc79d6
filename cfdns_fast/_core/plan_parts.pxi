# What a Plan is made of; part of _core.pyx.

cdef inline string_view _view(bytes text):
    return string_view(PyBytes_AsString(text), len(text))


cdef bytes _json_text(value):
    # Text without its quotes.
    cdef str text = json.dumps(value, ensure_ascii=False)
    return (text[1:-1] if isinstance(value, str) else text).encode()


cdef inline Slice _slice(bytes text):
    cdef Slice slice = Slice()
    slice.data = PyBytes_AsString(text)
    slice.size_bytes = len(text)
    return slice


cdef class SuffixTable:
    """Public-suffix rules, compiled; made by plan.py from what suffixes.py says. Immutable."""

    cdef shared_ptr[CSuffixTable] table

    def __cinit__(self, bytes node_flags, list edges, list folds):
        _check_memory()
        self.table = make_shared[CSuffixTable](_view(node_flags))
        for parent, label, child in edges:
            self.table.get().add_edge(parent, _slice(label), child)
        for upper, lower in folds:
            self.table.get().add_fold(upper, lower)
        self.table.get().finish()


cdef shared_ptr[CArrowPlan] _arrow_plan(columns):
    cdef shared_ptr[CArrowPlan] plan = make_shared[CArrowPlan](<size_t>columns.most_offset, <cbool>columns.formats_times)
    cdef bytes text
    for form, slot, target, held, items, objects in columns.stored:
        text = target.encode()
        plan.get().add_column(form, slot, _view(text))
        for each in held:
            plan.get().add_held(each)
        for each in items:
            plan.get().add_items(each, objects)
    for texts in columns.dictionaries:
        plan.get().add_dictionary()
        for each in texts:
            text = each.encode()
            plan.get().add_text(_view(text))
    for column, dictionary, as_list, form, constants in columns.fields:
        plan.get().add_field(column, dictionary, as_list, form)
        for each in constants:
            plan.get().add_constant(each)
    return plan
