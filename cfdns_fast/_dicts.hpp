// Events as Python dicts: the one header besides what Cython writes that includes Python.h.
//
// References are counted by hand: what Cython adds for safety cost a tenth of the whole event. Every function that returns
// an object returns a new reference, or null with an exception set. The GIL is held.
#pragma once

#include <Python.h>

#include <vector>

#include "cfdns_fast/_native/event.hpp"

namespace cfdns {

// Where a dict keeps its values. Events have the same keys again and again: copying a dict that has them and writing the
// values into their places takes 12,200 instructions for an event, made and freed; replacing them one by one takes 16,800.
// The layout is CPython's own (Include/internal/pycore_dict.h, the same from 3.11 to 3.14), so it is tried out when the
// module is imported, and anything unexpected leaves the ordinary way, PyDict_SetItem.
class DictPlaces {
 public:
#if !defined(Py_LIMITED_API) && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON) && \
    PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030F0000
  // Whether the places are where this class looks for them; call once, when the module is imported.
  static bool try_out() {
    known_ = true;
    for (Py_ssize_t size : {1, 5, 6, 11, 200}) known_ = known_ && try_size(size);
    PyErr_Clear();
    return known_;
  }

  // Put an item in the place of the index-th key of a copied dict. Takes over the reference, also where it fails.
  static int put(PyObject* dict, size_t index, PyObject* key, PyObject* item) {
    if (!known_) return insert(dict, key, item);
    PyObject*& place = entries(dict)[index].value;
    PyObject* before = place;
    place = item;
    Py_DECREF(before);
    return 0;
  }

 private:
  struct Keys {
    Py_ssize_t reference_count;
    uint8_t log2_size;
    uint8_t log2_index_bytes;
    uint8_t kind;
    uint32_t version;
    Py_ssize_t usable;
    Py_ssize_t entry_count;
  };
  struct Entry {  // of keys that are all str
    PyObject* key;
    PyObject* value;
  };

  static Entry* entries(PyObject* dict) {
    Keys* keys = reinterpret_cast<Keys*>(reinterpret_cast<PyDictObject*>(dict)->ma_keys);
    return reinterpret_cast<Entry*>(reinterpret_cast<char*>(keys + 1) + (size_t{1} << keys->log2_index_bytes));
  }

  static bool try_size(Py_ssize_t size) {
    PyObject* pattern = PyDict_New();
    PyObject* copy = nullptr;
    bool same = pattern != nullptr;
    for (Py_ssize_t i = 0; same && i < size; ++i) {
      PyObject* number = PyLong_FromSsize_t(i);
      PyObject* key = number == nullptr ? nullptr : PyObject_Str(number);
      same = key != nullptr && PyDict_SetItem(pattern, key, number) == 0;
      Py_XDECREF(key);
      Py_XDECREF(number);
    }
    if (same) same = (copy = PyDict_Copy(pattern)) != nullptr;
    if (same) {
      const Keys* keys = reinterpret_cast<const Keys*>(reinterpret_cast<PyDictObject*>(copy)->ma_keys);
      constexpr uint8_t str_keys = 1;
      same = reinterpret_cast<PyDictObject*>(copy)->ma_values == nullptr && keys->kind == str_keys &&
             keys->entry_count == size && keys->log2_size < 16 && keys->log2_index_bytes < 17;
    }
    Py_ssize_t position = 0;
    PyObject *key, *value;
    for (Py_ssize_t i = 0; same && PyDict_Next(copy, &position, &key, &value); ++i) {
      same = entries(copy)[i].key == key && entries(copy)[i].value == value;
    }
    Py_XDECREF(pattern);
    Py_XDECREF(copy);
    return same;
  }

  static inline bool known_ = false;
#else
  static bool try_out() { return false; }
  static int put(PyObject* dict, size_t, PyObject* key, PyObject* item) { return insert(dict, key, item); }

 private:
#endif
  static int insert(PyObject* dict, PyObject* key, PyObject* item) {
    int result = PyDict_SetItem(dict, key, item);
    Py_DECREF(item);
    return result;
  }
};

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
  void set_pattern(PyObject* pattern) { pattern_ = pattern; }

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
    steps_.push_back(step);
  }

  void add_enumeration() { names_.emplace_back(); }
  // To the enumeration added last, by the index in it.
  void add_name(PyObject* name) { names_.back().push_back(name); }
  void add_members() { members_.emplace_back(); }
  // To the members added last.
  void add_member(PyObject* key) { members_.back().push_back(key); }

  // `padded`: the message is, and is valid UTF-8. Without short_texts none are shared between events. Flat: 3 % of dicts.
  CFDNS_FLAT PyObject* build(const Event& event, Slice message, bool padded, ShortTexts* short_texts) const {
    PyObject* top = PyDict_Copy(pattern_);
    if (top == nullptr) return nullptr;
    if (fill(top, event, message, padded, short_texts)) return top;
    Py_DECREF(top);
    return nullptr;
  }

 private:
  struct Step {
    What what;
    bool flag;
    uint8_t keep = 0;   // where in `kept` the object of this slot goes for later steps, 0 for nowhere
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

  bool fill(PyObject* current, const Event& event, Slice message, bool padded, ShortTexts* short_texts) const {
    // Borrowed: the event owns all of them by the time they are used again.
    PyObject* kept[most_kept];
    PyObject* parents[deepest];
    size_t depth = 0;
    bool ascii = padded && is_ascii(message);
    for (const Step& step : steps_) {
      PyObject* item;
      switch (step.what) {
        case What::value: {
          const Value& value = event.values[step.slot];
          if (value.type == ValueType::absent) {
            if (PyDict_DelItem(current, step.key) < 0) return false;
            continue;
          }
          if (step.again != 0 && value.type < ValueType::list) {
            item = kept[step.again];
            Py_INCREF(item);
          } else {
            item = object_of(event, value, ascii, short_texts);
            kept[step.keep] = item;
          }
          if (step.flag) item = list_of(item);
          break;
        }
        case What::raw:
          item = padded ? new_text(message, ascii)
                        : PyUnicode_DecodeUTF8(message.data, static_cast<Py_ssize_t>(message.size_bytes), nullptr);
          break;
        case What::list: item = PyList_GetSlice(step.object, 0, PyList_Size(step.object)); break;
        case What::open: item = PyDict_Copy(step.object); break;
        default:
          --depth;
          if (step.flag && PyDict_Size(current) == 0 && PyDict_DelItem(parents[depth], step.key) < 0) return false;
          current = parents[depth];
          continue;
      }
      if (item == nullptr || DictPlaces::put(current, step.index, step.key, item) < 0) return false;
      if (step.what == What::open) {
        parents[depth++] = current;
        current = item;
      }
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

  PyObject* pattern_ = nullptr;
  std::vector<Step> steps_;
  std::vector<std::vector<PyObject*>> names_;
  std::vector<std::vector<PyObject*>> members_;
  size_t kept_count_ = 0;
};

}  // namespace cfdns
