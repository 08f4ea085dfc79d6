// Events as Python dicts. This header and _dict_places.hpp are the only ones, besides what Cython writes, that include
// Python.h.
//
// References are counted by hand: what Cython adds for safety cost a tenth of the whole event. Every function that returns
// an object returns a new reference, or null with an exception set. The GIL is held.
#pragma once

#include <Python.h>

#include <cstring>
#include <utility>
#include <vector>

#include "cfdns_fast/_dict_places.hpp"
#include "cfdns_fast/_native/event.hpp"

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

// Builds events by steps, as the NDJSON writer does. It borrows the objects it is given: its owner keeps them alive.
class DictBuilder {
 public:
  enum class What : uint8_t { list, open, close, raw, value };

  // The event before anything is in it, like every pattern a dict of all keys in their order: constants as they are, and
  // something of the right kind (an object, a list, a dict) where a step will put a value.
  void set_pattern(PyObject* pattern) {
    patterns_.push_back({pattern, 0});
    open_.push_back(0);
  }

  // `index`: the position of the key in its dict. `object`: the pattern to open, or the list to copy. `array`: the value is
  // written as a list of one; `close`: the dict may be empty, and goes then.
  void add_step(int what, size_t slot, size_t index, PyObject* key, PyObject* object, bool flag) {
    Step step;
    step.what = static_cast<What>(what);
    step.flag = flag;
    step.slot = static_cast<uint16_t>(slot);
    step.index = static_cast<uint16_t>(index);
    step.key = key;
    step.object = object;
    if (step.what == What::value) share(step);
    if (step.what == What::close) {
      open_.pop_back();
    } else {
      patterns_[open_.back()].changing |= uint64_t{1} << index % DictPattern::most_places;
    }
    if (step.what == What::open) {
      step.slot = static_cast<uint16_t>(patterns_.size());
      open_.push_back(patterns_.size());
      patterns_.push_back({object, 0});
    }
    steps_.push_back(step);
  }

  void add_enumeration() { names_.emplace_back(); }
  // To the enumeration added last, by the index in it.
  void add_name(PyObject* name) { names_.back().push_back(name); }
  void add_members() { members_.emplace_back(); }
  // To the members added last.
  void add_member(PyObject* key) { members_.back().push_back(key); }

  // `padded`: the message is, and is valid UTF-8. Without short_texts none are shared between events. `spare`: null or an
  // event of this builder; if the caller alone holds it, its dicts and lists become those of the new event, as far as they
  // are what they were. `leftovers` is for what else it held.
  PyObject* build(const Event& event, Slice message, bool padded, ShortTexts* short_texts, PyObject* spare,
                  Leftovers* leftovers) const {
    Reuse reuse = DictPlaces::reuse(spare, patterns_[0]);
    // A step lets go of one object at most.
    if (reuse != Reuse::none && !leftovers->reserve(steps_.size())) return PyErr_NoMemory();
    PyObject* top = reuse == Reuse::whole ? new_reference(spare) : PyDict_Copy(patterns_[0].dict);
    if (top == nullptr) return nullptr;
    bool filled = reuse == Reuse::none ? fill<false>(top, nullptr, event, message, padded, short_texts, leftovers)
                                       : fill<true>(top, spare, event, message, padded, short_texts, leftovers);
    if (filled) return top;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_DECREF(top);
    if (leftovers != nullptr) leftovers->release();
    PyErr_Restore(type, value, traceback);
    return nullptr;
  }

 private:
  struct Step {
    What what;
    bool flag;
    uint8_t keep = 0;   // where in `kept` the object of this slot goes for later steps, 0 for where nobody looks
    uint8_t again = 0;  // where an earlier step put it
    uint16_t slot;
    uint16_t index;
    PyObject* key;
    PyObject* object;
  };
  static constexpr size_t deepest = 32;  // mapping.py allows no more
  static constexpr size_t most_kept = 64;

  // Targets of one value share the object. Where there is no room for more of them, they just do not.
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

  // `spare`: the dict whose parts may be used again, or null; it may be `current` itself, which is filled in place then.
  // A function of its own for events without a spare one: 3 % of dicts, for those who keep them. Flat: 3 %.
  template <bool has_spare>
  CFDNS_APART CFDNS_FLAT bool fill(PyObject* current, PyObject* spare, const Event& event, Slice message, bool padded,
                                   ShortTexts* short_texts, Leftovers* leftovers) const {
    // Borrowed: the event owns all of them by the time they are used again.
    PyObject* kept[most_kept];
    PyObject* parents[deepest];
    PyObject* spare_parents[deepest];
    size_t depth = 0;
    bool ascii = padded && is_ascii(message);
    for (const Step& step : steps_) {
      bool in_place = has_spare && current == spare;
      PyObject* item = nullptr;
      switch (step.what) {
        case What::value: {
          const Value& value = event.values[step.slot];
          if (value.type == ValueType::absent) {
            if (!remove(current, step, in_place, leftovers)) return false;
            continue;
          }
          if (step.again != 0 && value.type < ValueType::list) {
            item = new_reference(kept[step.again]);
          } else {
            item = object_of(event, value, ascii, short_texts);
            kept[step.keep] = item;
          }
          if (step.flag) {
            if (in_place && item != nullptr && put_in_list(current, step, item, leftovers)) continue;
            item = list_of(item);
          }
          break;
        }
        case What::raw:
          item = padded ? new_text(message, ascii)
                        : PyUnicode_DecodeUTF8(message.data, static_cast<Py_ssize_t>(message.size_bytes), nullptr);
          break;
        case What::list:
          if (in_place && has_list(current, step)) continue;
          item = PyList_GetSlice(step.object, 0, PyList_Size(step.object));
          break;
        case What::open: {
          parents[depth] = current;
          spare_parents[depth] = spare;
          ++depth;
          Reuse reuse = Reuse::none;
          if (has_spare && spare != nullptr) {
            spare = DictPlaces::place(spare, step.index);
            reuse = DictPlaces::reuse(spare, patterns_[step.slot]);
            if (reuse == Reuse::none) spare = nullptr;
          }
          current = reuse == Reuse::whole ? spare : PyDict_Copy(step.object);
          if (in_place && reuse == Reuse::whole) continue;
          if (reuse == Reuse::whole) Py_INCREF(current);
          if (current == nullptr || !put(parents[depth - 1], step, current, in_place, leftovers)) return false;
          continue;
        }
        case What::close:
          --depth;
          in_place = has_spare && parents[depth] == spare_parents[depth];
          if (step.flag && PyDict_Size(current) == 0 && !remove(parents[depth], step, in_place, leftovers))
            return false;
          current = parents[depth];
          if (has_spare) spare = spare_parents[depth];
          continue;
      }
      if (item == nullptr || !put(current, step, item, in_place, leftovers)) return false;
    }
    return true;
  }

  // Into a copy, or into a dict that is filled in place. Takes over the reference, also where it fails.
  static bool put(PyObject* dict, const Step& step, PyObject* item, bool in_place, Leftovers* leftovers) {
    if (!in_place) return DictPlaces::put(dict, step.index, step.key, item) == 0;
    exchange(dict, step, item, leftovers);
    return true;
  }

  static bool remove(PyObject* dict, const Step& step, bool in_place, Leftovers* leftovers) {
    if (in_place) exchange(dict, step, new_reference(Py_None), leftovers);
    return PyDict_DelItem(dict, step.key) == 0;
  }

  static void exchange(PyObject* dict, const Step& step, PyObject* item, Leftovers* leftovers) {
    // The collector does not track a dict in which it, or whoever made it, found nothing but texts and numbers.
    if (PyType_IS_GC(Py_TYPE(item)) && !PyObject_GC_IsTracked(dict)) PyObject_GC_Track(dict);
    let_go(std::exchange(DictPlaces::place(dict, step.index), item), leftovers);
  }

  // Letting go of text and numbers runs nobody's code.
  static void let_go(PyObject* object, Leftovers* leftovers) {
    if (PyUnicode_CheckExact(object) || PyLong_CheckExact(object) || PyBool_Check(object)) Py_DECREF(object);
    else leftovers->add(object);
  }

  // The list at a step's place in a dict that is used again, if that can be too and has so many items; else null.
  static PyObject* list_at(PyObject* dict, const Step& step, Py_ssize_t size) {
    PyObject* list = DictPlaces::place(dict, step.index);
    return PyList_CheckExact(list) && Py_REFCNT(list) == 1 && PyList_Size(list) == size ? list : nullptr;
  }

  // Takes over the reference if true.
  static bool put_in_list(PyObject* dict, const Step& step, PyObject* item, Leftovers* leftovers) {
    PyObject* list = list_at(dict, step, 1);
    if (list == nullptr) return false;
    PyObject* before = PyList_GetItem(list, 0);
    Py_INCREF(before);
    PyList_SetItem(list, 0, item);
    let_go(before, leftovers);
    return true;
  }

  // Whether a list of constants is as it was.
  static bool has_list(PyObject* dict, const Step& step) {
    Py_ssize_t size = PyList_Size(step.object);
    PyObject* list = list_at(dict, step, size);
    if (list == nullptr) return false;
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (PyList_GetItem(list, i) != PyList_GetItem(step.object, i)) return false;
    }
    return true;
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
      else PyList_SetItem(list, static_cast<Py_ssize_t>(i), made);
    }
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
    PyList_SetItem(list, 0, item);
    return list;
  }

  std::vector<DictPattern> patterns_;  // the event's, then those that steps open: their slot is the index here
  std::vector<size_t> open_;           // while steps are added
  std::vector<Step> steps_;
  std::vector<std::vector<PyObject*>> names_;
  std::vector<std::vector<PyObject*>> members_;
  size_t kept_count_ = 0;
};

}  // namespace cfdns
