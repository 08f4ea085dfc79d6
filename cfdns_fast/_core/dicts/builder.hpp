// DictBuilder: events as Python dicts. Of the C++ headers, only the ones in this folder include Python.h.
//
// References are counted by hand, because Cython's checks are slower. Every function that returns an object returns a
// new reference, or null with an exception set. The GIL is held.
#pragma once

#include <Python.h>

#include <cstring>
#include <vector>

#include "events/event.hpp"
#include "places.hpp"
#include "plan/plan.hpp"
#include "support/compiler.hpp"

namespace cfdns {

// Make a str from padded, valid UTF-8. ASCII is copied, because decoding is slower.
inline PyObject* new_text(Slice text, bool ascii) {
  if (ascii || is_ascii(text)) {
    PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(text.size_bytes), 127);
    if (made != nullptr) std::memcpy(PyUnicode_1BYTE_DATA(made), text.data, text.size_bytes);
    return made;
  }
  return PyUnicode_DecodeUTF8(text.data, static_cast<Py_ssize_t>(text.size_bytes), nullptr);
}

// Caches the str of texts of at most eight bytes, because colos, suffixes and many labels recur. Longer texts seldom
// recur. The hash of a text selects its slot, and a slot keeps the newest text.
class ShortTexts {
 public:
  static constexpr size_t max_bytes = 8;

  ShortTexts() = default;
  ShortTexts(const ShortTexts&) = delete;
  ShortTexts& operator=(const ShortTexts&) = delete;
  ~ShortTexts() {
    for (Slot& slot : slots_) Py_XDECREF(slot.text);
  }

  PyObject* find(Slice text, bool ascii) {
    uint64_t word = text.size_bytes == 0 ? 0 : first_bytes(load64(text.data), text.size_bytes);
    Slot& slot = slots_[(word + text.size_bytes) * 0x9E3779B97F4A7C15u >> 56];
    if (slot.text == nullptr || slot.word != word || slot.size_bytes != text.size_bytes) {
      PyObject* made = new_text(text, ascii);
      if (made == nullptr) return nullptr;
      Py_XDECREF(slot.text);
      slot = {word, text.size_bytes, made};
    }
    Py_INCREF(slot.text);
    return slot.text;
  }

 private:
  struct Slot {
    uint64_t word = 0;
    size_t size_bytes = 0;
    PyObject* text = nullptr;
  };
  Slot slots_[256];
};

// What a step of the dict builder does.
enum class DictStepKind : uint8_t {
  list = 0,   // writes a list that is the same in every event
  open = 1,   // opens a dict
  close = 2,  // closes a dict
  raw = 3,    // writes the record's own text
  slot = 4    // writes the value of a slot
};

// Builds events by steps, as the NDJSON writer does. It owns the objects that are added.
//
// On CPython 3.11 an allocation may run the garbage collector, whose callbacks can change every tracked object. So a
// dict is tracked only after its last step, a list after its last item, and all other objects are held by references.
//
// If values are not written by index, CPython tracks a dict when it receives a container. A callback that changes the
// dict can then make the event fail, but nothing worse.
class DictBuilder {
 public:
  DictBuilder() = default;
  DictBuilder(const DictBuilder&) = delete;
  DictBuilder& operator=(const DictBuilder&) = delete;
  ~DictBuilder() {
    for (Pattern& pattern : patterns_) Py_DECREF(pattern.dict);
    for (PyObject* object : owned_) Py_DECREF(object);
  }

  // Add a dict to copy: all its keys in order, with constants, and a placeholder where a step writes a value. The
  // event's dict is first. The caller must drop its reference. `holds_containers`: steps write lists or dicts into it.
  void add_pattern(PyObject* dict, bool holds_containers) {
    if (PyObject_GC_IsTracked(dict)) PyObject_GC_UnTrack(dict);
    patterns_.push_back({dict, DictPlaces::layout_of(dict), holds_containers});
    Py_INCREF(dict);
  }

  // `index`: position of the key in its dict. `items`: the constants of a list, or None. `flag`: a value becomes a list
  // of one item; an empty dict is removed at `close`. `open` and `close`: `slot` is the number of the pattern.
  void add_step(int kind, size_t slot, size_t index, PyObject* key, PyObject* items, bool flag) {
    Step step;
    step.kind = checked_enum(kind, DictStepKind::slot);
    step.flag = flag;
    step.slot = narrow_index(slot);
    step.index = narrow_index(index);
    if (step.kind == DictStepKind::open) depth_.open();
    if (step.kind == DictStepKind::close) depth_.close();
    step.key = own(key);
    step.items = own(items);
    if (step.kind == DictStepKind::slot) share(step);
    steps_.push_back(step);
  }

  void add_enumeration() { names_.emplace_back(); }
  // Add to the last enumeration, in the order of its indices.
  void add_name(PyObject* name) { names_.back().push_back(own(name)); }
  void add_members() { members_.emplace_back(); }
  // Add to the last member list.
  void add_member(PyObject* key) { members_.back().push_back(own(key)); }

  // `padded`: the message is valid UTF-8 with readable bytes after it. Without short_texts, events share no text.
  CFDNS_NOINLINE CFDNS_FLATTEN PyObject* build(const Event& event, Slice message, bool padded,
                                               ShortTexts* short_texts) const {
    Unfinished held;
    for (size_t i = 1; i <= kept_count_; ++i) held.kept[i] = nullptr;
    bool ascii = padded && is_ascii(message);
    size_t depth = 0;
    PyObject* dict = PyDict_Copy(patterns_[0].dict);
    DictPlaces::Entry* entries = DictPlaces::find(dict, patterns_[0].layout);
    for (const Step& step : steps_) {
      if (dict == nullptr) break;
      PyObject* item = nullptr;
      switch (step.kind) {
        case DictStepKind::slot: {
          const Value& value = event.values[step.slot];
          if (value.type == ValueType::absent) {
            if (PyDict_DelItem(dict, step.key) < 0) Py_CLEAR(dict);
            continue;
          }
          if (step.again != 0 && value.type < ValueType::list) {
            item = new_reference(held.kept[step.again]);
          } else {
            item = object_of(event, value, ascii, short_texts);
            if (step.keep != 0 && item != nullptr) held.kept[step.keep] = new_reference(item);
          }
          if (step.flag) item = list_of(item);
          break;
        }
        case DictStepKind::raw:
          item = padded ? new_text(message, ascii)
                        : PyUnicode_DecodeUTF8(message.data, static_cast<Py_ssize_t>(message.size_bytes), nullptr);
          break;
        case DictStepKind::list: item = list_from(step.items); break;
        case DictStepKind::open: {
          const Pattern& pattern = patterns_[step.slot];
          held.parents[depth++] = {dict, entries};
          dict = PyDict_Copy(pattern.dict);
          entries = DictPlaces::find(dict, pattern.layout);
          continue;
        }
        case DictStepKind::close:
          item = finish(dict, patterns_[step.slot]);
          --depth;
          dict = held.parents[depth].object;
          entries = held.parents[depth].entries;
          if (step.flag && PyDict_Size(item) == 0) {
            Py_DECREF(item);
            if (PyDict_DelItem(dict, step.key) < 0) Py_CLEAR(dict);
            continue;
          }
          break;
      }
      if (item == nullptr) {
        Py_CLEAR(dict);
      } else if (entries != nullptr) {
        DictPlaces::write(entries[step.index], item);
      } else {
        if (PyDict_SetItem(dict, step.key, item) < 0) Py_CLEAR(dict);
        Py_DECREF(item);
      }
    }
    while (depth != 0) Py_DECREF(held.parents[--depth].object);  // after a failure
    for (size_t i = 1; i <= kept_count_; ++i) Py_XDECREF(held.kept[i]);
    return dict == nullptr ? nullptr : finish(dict, patterns_[0]);
  }

 private:
  struct Pattern {
    PyObject* dict;
    DictLayout layout;
    bool holds_containers;
  };
  struct Step {
    DictStepKind kind;
    bool flag;
    uint8_t keep = 0;   // index in `kept` where the object is stored for later steps, or 0
    uint8_t again = 0;  // index in `kept` of the object that an earlier step stored, or 0
    uint16_t slot;
    uint16_t index;
    PyObject* key;
    PyObject* items;
  };
  static constexpr size_t max_kept = 64;

  // References that build() owns while later steps still use them.
  struct Unfinished {
    struct Parent {
      PyObject* object;
      DictPlaces::Entry* entries;  // null if values are written by key
    };
    Parent parents[StepDepth::max_depth];
    PyObject* kept[max_kept];
  };

  // Return the complete dict, tracked if the collector must know it.
  static PyObject* finish(PyObject* dict, const Pattern& pattern) {
    if (pattern.holds_containers && !PyObject_GC_IsTracked(dict)) PyObject_GC_Track(dict);
    return dict;
  }

  PyObject* own(PyObject* object) {
    owned_.push_back(object);
    return new_reference(object);
  }

  // Steps that write the same value share one object, for at most max_kept values.
  void share(Step& step) {
    for (Step& earlier : steps_) {
      if (earlier.kind != DictStepKind::slot || earlier.slot != step.slot) continue;
      if (earlier.keep == 0 && kept_count_ + 1 < max_kept) earlier.keep = static_cast<uint8_t>(++kept_count_);
      step.again = earlier.keep;
      return;
    }
  }

  static PyObject* new_reference(PyObject* object) {
    Py_INCREF(object);
    return object;
  }

  // `ascii`: the record is ASCII.
  PyObject* object_of(const Event& event, const Value& value, bool ascii, ShortTexts* short_texts) const {
    switch (value.type) {
      case ValueType::text:
        if (value.text.size_bytes <= ShortTexts::max_bytes && short_texts != nullptr) {
          return short_texts->find(value.text, ascii && value.plain);
        }
        return new_text(value.text, ascii && value.plain);
      case ValueType::integer: return PyLong_FromLongLong(value.integer);
      case ValueType::boolean: return PyBool_FromLong(value.integer != 0);
      case ValueType::list:
      case ValueType::objects: return items_of(event, value, ascii, short_texts);
      default: {
        PyObject* name = names_[static_cast<size_t>(value.integer)][value.name];
        Py_INCREF(name);
        return name;
      }
    }
  }

  PyObject* items_of(const Event& event, const Value& value, bool ascii, ShortTexts* short_texts) const {
    PyObject* list = PyList_New(static_cast<Py_ssize_t>(value.count));
    if (list != nullptr) PyObject_GC_UnTrack(list);
    const Value* item = event.items.data() + value.integer;
    for (size_t i = 0; list != nullptr && i < value.count; ++i) {
      PyObject* made;
      if (value.type == ValueType::list) {
        made = object_of(event, *item++, ascii, short_texts);
      } else {
        made = members_of(event, item, members_[value.name], ascii, short_texts);
        item += members_[value.name].size();
      }
      if (made == nullptr) Py_CLEAR(list);
      else set_item(list, static_cast<Py_ssize_t>(i), made);
    }
    if (list != nullptr) PyObject_GC_Track(list);
    return list;
  }

  PyObject* members_of(const Event& event, const Value* item, const std::vector<PyObject*>& keys, bool ascii,
                       ShortTexts* short_texts) const {
    PyObject* dict = PyDict_New();
    for (size_t i = 0; dict != nullptr && i < keys.size(); ++i) {
      if (item[i].type == ValueType::absent) continue;
      PyObject* made = object_of(event, item[i], ascii, short_texts);
      if (made == nullptr || PyDict_SetItem(dict, keys[i], made) < 0) Py_CLEAR(dict);
      Py_XDECREF(made);
    }
    return dict;
  }

  // Return a list of one item. Steals the reference to the item.
  static PyObject* list_of(PyObject* item) {
    if (item == nullptr) return nullptr;
    PyObject* list = PyList_New(1);
    if (list == nullptr) {
      Py_DECREF(item);
      return nullptr;
    }
    set_item(list, 0, item);
    return list;
  }

  static PyObject* list_from(PyObject* items) {
    Py_ssize_t size = PyTuple_Size(items);
    PyObject* list = PyList_New(size);
    for (Py_ssize_t i = 0; list != nullptr && i < size; ++i) {
      set_item(list, i, new_reference(PyTuple_GetItem(items, i)));
    }
    return list;
  }

  // Write an item to a new list. Steals the reference to the item.
  static void set_item(PyObject* list, Py_ssize_t index, PyObject* item) { PyList_SET_ITEM(list, index, item); }

  std::vector<Pattern> patterns_;  // the event's pattern, then the patterns that steps open
  std::vector<Step> steps_;
  std::vector<std::vector<PyObject*>> names_;
  std::vector<std::vector<PyObject*>> members_;
  std::vector<PyObject*> owned_;
  size_t kept_count_ = 0;
  StepDepth depth_;
};

}  // namespace cfdns
