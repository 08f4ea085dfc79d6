# Plan and SuffixTable: pass what Python compiled to C++; part of boundary.pyx.

cdef inline string_view _view(bytes text):
    return string_view(PyBytes_AsString(text), len(text))


cdef bytes _json_text(value):
    # Return a value as JSON; text without its quotes.
    cdef str text = json.dumps(value, ensure_ascii=False)
    return (text[1:-1] if isinstance(value, str) else text).encode()


cdef inline Slice _slice(bytes text):
    cdef Slice slice = Slice()
    slice.data = PyBytes_AsString(text)
    slice.size_bytes = len(text)
    return slice


cdef class SuffixTable:
    """The compiled public-suffix rules; plan/suffix_table.py makes them. Immutable."""

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
    cdef shared_ptr[CArrowPlan] plan = make_shared[CArrowPlan](<size_t>columns.max_offset, <cbool>columns.formats_times)
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


# Not tracked by the garbage collector: it refers only to immutable objects, so it cannot be part of a cycle.
@cython.no_gc
cdef class Plan:
    """The compiled mapping; plan/compiler.py makes it. It is immutable, so any number of threads may use it."""

    cdef readonly object columns  # of Arrow batches
    cdef shared_ptr[CPlan] shared
    cdef shared_ptr[CArrowPlan] arrow
    cdef DictBuilder dicts
    cdef readonly bint is_matched  # it has a name for matchers
    cdef frozenset matched_fields  # the fields that conditions can compare
    cdef tuple problem_keys  # in the order of the counts of Event.problems

    def __cinit__(self, *, list sources, size_t key_count, list inputs, list enumerations, list members, list firsts,
                  list collections, list observables, list verdicts, problems_slot, size_t slot_count, list steps,
                  tuple dict_patterns, tuple dict_steps, columns, SuffixTable suffixes not None, int timestamp_unit, size_t max_record_bytes,
                  bytes record_delimiter=b"", tuple matched=None):
        cdef CPlan* plan
        cdef bytes text
        cdef bytes json_key
        cdef bytes plain_text
        _check_memory()
        self.columns = columns
        self.arrow = _arrow_plan(columns)
        self.shared = make_shared[CPlan]()
        plan = self.shared.get()
        plan.record_delimiter.assign(PyBytes_AsString(record_delimiter), len(record_delimiter))
        plan.suffixes = <shared_ptr[const CSuffixTable]>suffixes.table
        plan.max_record_bytes = max_record_bytes
        plan.slot_count = slot_count
        plan.unit = <TimestampUnit>timestamp_unit
        plan.key_count = key_count
        problem_keys = [_UNKNOWN_KEY]
        for key in sources:
            text = key.encode()
            plan.add_source(_view(text))
            for code in _FIELD_CODES:
                # A new str, because Python code may hold the key of the mapping.
                problem_keys.append(f"{code}:{key}".encode().decode())
        for problem_key in problem_keys:
            text = problem_key.encode()
            plan.add_problem_text(_view(text))
        self.problem_keys = tuple(problem_keys)
        for input_sources, required, readings in inputs:
            plan.add_input(input_sources[0], required)
            for source in input_sources[1:]:
                plan.add_other(source)
            for kind, element, flags, slot, table in readings:
                plan.add_reading(kind, element, flags, slot, table)
        for unassigned, default, names in enumerations:
            text = unassigned.encode()
            plan.add_enumeration(_view(text))
            self.dicts.add_enumeration()
            self.dicts.add_name(<PyObject*>None)
            for number, name in names:
                text = _json_text(name)
                plain_text = str(name).encode()
                if number is None:
                    plan.add_name(_view(text), _view(plain_text))
                else:
                    plan.add_numbered(number, _view(text), _view(plain_text))
                self.dicts.add_name(<PyObject*>name)
            if default is not None:
                text = _json_text(default)
                plain_text = str(default).encode()
                plan.add_default_name(_view(text), _view(plain_text))
                self.dicts.add_name(<PyObject*>default)
        for keys in members:
            plan.add_members()
            self.dicts.add_members()
            for key in keys:
                text = key.encode()
                json_key = b'"' + _json_text(key) + b'":'
                plan.add_member(_view(text), _view(json_key))
                self.dicts.add_member(<PyObject*>key)
        for slot, slots in firsts:
            plan.add_coalesced(slot)
            for source in slots:
                plan.add_coalesced_from(source)
        for slot, slots in collections:
            plan.add_collected(slot)
            for source in slots:
                plan.add_collected_from(source)
        for slot, table, all_observed in observables:
            plan.add_observables(slot, table)
            for source, name, type_name, type_id in all_observed:
                text = name.encode()
                plain_text = type_name.encode()
                plan.add_observed(source, _view(text), _view(plain_text), type_id)
        for slot, table in verdicts:
            plan.add_constant_by_problem(slot, table)
        if problems_slot is not None:
            plan.set_problems_slot(problems_slot, len(", ".join(self.problem_keys).encode()))
        for what, slot, before, after in steps:
            plan.add_step(what, slot, _view(before), _view(after))
        if matched is not None:
            matched_sources, matched_domain, icann, matched_slots, address_slots = matched
            self.is_matched = True
            plan.set_matched(matched_sources[0], <size_t>-1 if matched_domain is None else matched_domain,
                             <shared_ptr[const CSuffixTable]>(<SuffixTable?>icann).table)
            for source in matched_sources[1:]:
                plan.add_matched_other(source)
            fields = {0}
            for field, field_slot in enumerate(matched_slots, 1):
                if field_slot is not None:
                    plan.set_matched_field(field, field_slot)
                    fields.add(field)
            self.matched_fields = frozenset(fields)
            for index, address_slot in enumerate(address_slots):
                if address_slot is not None:
                    plan.set_matched_address(index, address_slot)
        for holds_containers, keys_and_constants in dict_patterns:
            self._add_pattern(keys_and_constants, holds_containers)
        for what, slot, index, key, items, flag in dict_steps:
            self.dicts.add_step(what, slot, index, <PyObject*>key, <PyObject*>items, flag)

    # A separate function, so that no reference to the pattern remains.
    cdef int _add_pattern(self, tuple keys_and_constants, bint holds_containers) except -1:
        cdef dict pattern = dict(keys_and_constants)
        self.dicts.add_pattern(<PyObject*>pattern, holds_containers)
        return 0

    cdef dict _problems(self, const vector[uint64_t]& counts):
        cdef dict problems = {}
        cdef size_t i
        for i in range(counts.size()):
            if counts[i] != 0:
                problems[self.problem_keys[i]] = counts[i]
        return problems

    cdef object _dict(self, const Event& event, Slice message, bint padded, ShortTexts* short_texts):
        cdef PyObject* made = self.dicts.build(event, message, padded, short_texts)
        result = <object>made
        _release(made)
        return result
