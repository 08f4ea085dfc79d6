// Events as Python dicts. This header and _dict_places.hpp are the only ones, besides what Cython writes, that include
// Python.h.
//
// References are counted by hand: what Cython adds for safety cost a tenth of the whole event. Every function that returns
// an object returns a new reference, or null with an exception set. The GIL is held.
#pragma once

#include <Python.h>

#include <cstring>
#include <vector>

#include "events/event.hpp"
#include "places.hpp"
#include "support/compiler.hpp"

namespace cfdns {

// Padded, valid UTF-8 to str. Nearly all of it is ASCII, and then this takes half of what decoding takes. The Limited API
// has no such call.
inline PyObject* new_text(Slice text, bool ascii) {
#ifndef Py_LIMITED_API
  if (ascii || is_ascii(text)) {
    PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(text.size_bytes), 127);
    if (made != nullptr) std::memcpy(PyUnicode_1BYTE_DATA(made), text.data, text.size_bytes);
    return made;
  }
#else
  (void)ascii;
#endif
  return PyUnicode_DecodeUTF8(text.data, static_cast<Py_ssize_t>(text.size_bytes), nullptr);
}

// The str of texts of at most eight bytes, one object for all that are equal: colos, suffixes and many labels come again
// and again. One place by hash, the newest stays. It spares 290 instructions of an event; with longer texts, which recur
// too seldom, it cost more than it spared.
class ShortTexts {
 public:
  static constexpr size_t most_bytes = 8;

  ShortTexts() = default;
  ShortTexts(const ShortTexts&) = delete;
  ShortTexts& operator=(const ShortTexts&) = delete;
  ~ShortTexts() {
    for (Place& place : places_) Py_XDECREF(place.text);
  }

  PyObject* find(Slice text, bool ascii) {
    uint64_t word = text.size_bytes == 0 ? 0 : first_bytes(load64(text.data), text.size_bytes);
    Place& place = places_[(word + text.size_bytes) * 0x9E3779B97F4A7C15u >> 56];
    if (place.text == nullptr || place.word != word || place.size_bytes != text.size_bytes) {
      PyObject* made = new_text(text, ascii);
      if (made == nullptr) return nullptr;
      Py_XDECREF(place.text);
      place = {word, text.size_bytes, made};
    }
    Py_INCREF(place.text);
    return place.text;
  }

 private:
  struct Place {
    uint64_t word = 0;
    size_t size_bytes = 0;
    PyObject* text = nullptr;
  };
  Place places_[256];
};

// Builds events by steps, as the NDJSON writer does. It owns the objects that it is given.
//
// On CPython 3.11 an allocation may start the garbage collector, whose callbacks may run any code and find every object that
// is tracked. So a dict is not tracked before its last step, a list not before its last item, and what is still needed is
// held by a reference of its own. Where values are not written by index, CPython tracks a dict when its first container goes
// in: a callback that changes the dict then can make the event fail, and nothing worse.
class DictBuilder {
 public:
  enum class What : uint8_t { list, open, close, raw, value };

  DictBuilder() = default;
  DictBuilder(const DictBuilder&) = delete;
  DictBuilder& operator=(const DictBuilder&) = delete;
  ~DictBuilder() {
    for (Pattern& pattern : patterns_) Py_DECREF(pattern.dict);
    for (PyObject* object : owned_) Py_DECREF(object);
  }

  // Add the dict that copies are made of: all keys in their order, with constants as they are, and with a placeholder that is
  // no container where a step puts a value. The first one is the event's. Only the caller refers to it, and no longer than
  // this call. `holds_containers`: steps put lists or dicts into it.
  void add_pattern(PyObject* dict, bool holds_containers) {
    if (PyObject_GC_IsTracked(dict)) PyObject_GC_UnTrack(dict);
    patterns_.push_back({dict, DictPlaces::layout_of(dict), holds_containers});
    Py_INCREF(dict);
  }

  // `index`: the position of the key in its dict. `items`: None, or a tuple of what the list holds. `array`: the value is
  // written as a list of one; `close`: the dict is left out if it is empty. `open` and `close`: `slot` is the number of the
  // pattern.
  void add_step(int what, size_t slot, size_t index, PyObject* key, PyObject* items, bool flag) {
    Step step;
    step.what = static_cast<What>(what);
    step.flag = flag;
    step.slot = static_cast<uint16_t>(slot);
    step.index = static_cast<uint16_t>(index);
    step.key = own(key);
    step.items = own(items);
    if (step.what == What::value) share(step);
    steps_.push_back(step);
  }

  void add_enumeration() { names_.emplace_back(); }
  // To the enumeration added last, by the index in it.
  void add_name(PyObject* name) { names_.back().push_back(own(name)); }
  void add_members() { members_.emplace_back(); }
  // To the members added last.
  void add_member(PyObject* key) { members_.back().push_back(own(key)); }

  // `padded`: the message is followed by readable bytes, and is valid UTF-8. Without short_texts no text is shared between
  // events.
  CFDNS_NOINLINE CFDNS_FLATTEN PyObject* build(const Event& event, Slice message, bool padded,
                                               ShortTexts* short_texts) const {
    Unfinished held;
    for (size_t i = 1; i <= kept_count_; ++i) held.kept[i] = nullptr;
    bool ascii = padded && is_ascii(message);
    size_t depth = 0;
    PyObject* dict = PyDict_Copy(patterns_[0].dict);
    DictPlaces::Entry* places = DictPlaces::find(dict, patterns_[0].layout);
    for (const Step& step : steps_) {
      if (dict == nullptr) break;
      PyObject* item = nullptr;
      switch (step.what) {
        case What::value: {
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
        case What::raw:
          item = padded ? new_text(message, ascii)
                        : PyUnicode_DecodeUTF8(message.data, static_cast<Py_ssize_t>(message.size_bytes), nullptr);
          break;
        case What::list: item = list_from(step.items); break;
        case What::open: {
          const Pattern& pattern = patterns_[step.slot];
          held.parents[depth++] = {dict, places};
          dict = PyDict_Copy(pattern.dict);
          places = DictPlaces::find(dict, pattern.layout);
          continue;
        }
        case What::close:
          item = finish(dict, patterns_[step.slot]);
          --depth;
          dict = held.parents[depth].object;
          places = held.parents[depth].places;
          if (step.flag && PyDict_Size(item) == 0) {
            Py_DECREF(item);
            if (PyDict_DelItem(dict, step.key) < 0) Py_CLEAR(dict);
            continue;
          }
          break;
      }
      if (item == nullptr) {
        Py_CLEAR(dict);
      } else if (places != nullptr) {
        DictPlaces::write(places[step.index], item);
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
    What what;
    bool flag;
    uint8_t keep = 0;   // where in `kept` the object of this slot goes for later steps, 0 if there are none
    uint8_t again = 0;  // where an earlier step put it
    uint16_t slot;
    uint16_t index;
    PyObject* key;
    PyObject* items;
  };
  static constexpr size_t deepest = 32;  // mapping.py allows no more
  static constexpr size_t most_kept = 64;

  // What build() owns while steps still write to it or use it again.
  struct Unfinished {
    struct Parent {
      PyObject* object;
      DictPlaces::Entry* places;  // null if values have to be put by their keys
    };
    Parent parents[deepest];
    PyObject* kept[most_kept];
  };

  // The complete dict, tracked where the collector has to know it.
  static PyObject* finish(PyObject* dict, const Pattern& pattern) {
    if (pattern.holds_containers && !PyObject_GC_IsTracked(dict)) PyObject_GC_Track(dict);
    return dict;
  }

  PyObject* own(PyObject* object) {
    owned_.push_back(object);
    return new_reference(object);
  }

  // Targets of one value share the object, up to as many values as there is space for.
  void share(Step& step) {
    for (Step& earlier : steps_) {
      if (earlier.what != What::value || earlier.slot != step.slot) continue;
      if (earlier.keep == 0 && kept_count_ + 1 < most_kept) earlier.keep = static_cast<uint8_t>(++kept_count_);
      step.again = earlier.keep;
      return;
    }
  }

  static PyObject* new_reference(PyObject* object) {
    Py_INCREF(object);
    return object;
  }

  // `ascii`: the record is.
  PyObject* object_of(const Event& event, const Value& value, bool ascii, ShortTexts* short_texts) const {
    switch (value.type) {
      case ValueType::text:
        if (value.text.size_bytes <= ShortTexts::most_bytes && short_texts != nullptr) {
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

  // Takes over the reference.
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

  // In a new list. Takes over the reference.
  static void set_item(PyObject* list, Py_ssize_t index, PyObject* item) {
#ifndef Py_LIMITED_API
    PyList_SET_ITEM(list, index, item);
#else
    PyList_SetItem(list, index, item);
#endif
  }

  std::vector<Pattern> patterns_;  // the event's, then those that steps open
  std::vector<Step> steps_;
  std::vector<std::vector<PyObject*>> names_;
  std::vector<std::vector<PyObject*>> members_;
  std::vector<PyObject*> owned_;
  size_t kept_count_ = 0;
};

}  // namespace cfdns
