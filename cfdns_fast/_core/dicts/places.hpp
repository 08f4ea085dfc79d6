// DictPlaces: writes a value to its place in a copied dict, without CPython's API. A place is the entry of the dict's
// table in which CPython stores a key and its value.
//
// A copy of a dict has the same keys in the same order, so a value is replaced by the index of its place, without a
// look-up. Only this header knows the layout of a dict (Include/internal/pycore_dict.h, CPython 3.11 to 3.14).
//
// Four rules keep this safe. Where one of them fails, PyDict_SetItem is used instead.
// - The layout is tested when the module is imported (try_out), and CFDNS_DICT_PLACES=0 turns the writing off.
// - Python code never reaches a pattern: only its builder refers to it, and the garbage collector does not track it.
// - Python code never reaches a copy before the last write: only its builder refers to it, and it is not tracked until
//   then. From CPython 3.14 on a dict is tracked from the start, but from 3.12 on no allocation runs Python code.
//   So no watcher and no cached version tag can belong to such a dict.
// - Every copy is checked before the first write (find).
#pragma once

#include <Python.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

// The first CPython version for which values are not written by index. A build that tests a newer version may raise it.
#ifndef CFDNS_DICT_PLACES_BEFORE
#define CFDNS_DICT_PLACES_BEFORE 0x030F0000
#endif

#if !defined(Py_GIL_DISABLED) && !defined(Py_TRACE_REFS) && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON) && \
    PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < CFDNS_DICT_PLACES_BEFORE
#define CFDNS_HAS_DICT_PLACES 1
#else
#define CFDNS_HAS_DICT_PLACES 0
#endif

namespace cfdns {

// The layout of the copies of one dict.
struct DictLayout {
  Py_ssize_t size = 0;  // 0 if values are not written by index
  uint8_t log2_size = 0;
  uint8_t log2_index_bytes = 0;
};

class DictPlaces {
 public:
#if CFDNS_HAS_DICT_PLACES
  // Test whether dicts have the layout that this class expects. Call once, when the module is imported.
  static bool try_out() {
    const char* wanted = std::getenv("CFDNS_DICT_PLACES");
    known_ = wanted == nullptr || std::strcmp(wanted, "0") != 0;
    for (Py_ssize_t size : {1, 5, 6, 11, 200}) known_ = known_ && try_size(size);
    PyErr_Clear();
    return known_;
  }

  // Return the layout of copies of the dict.
  static DictLayout layout_of(PyObject* dict) {
    DictLayout layout;
    if (!known_) return layout;
    const Keys* keys = keys_of(dict);
    layout.size = reinterpret_cast<PyDictObject*>(dict)->ma_used;
    layout.log2_size = keys->log2_size;
    layout.log2_index_bytes = keys->log2_index_bytes;
    return layout.size <= UINT16_MAX && has_layout(dict, layout) ? layout : DictLayout();
  }

  struct Entry {  // a place, if all keys are str
    PyObject* key;
    PyObject* value;
  };

  // Return the entries of the dict, one for each key in order. Returns null if the dict is null or has another layout.
  static Entry* find(PyObject* dict, const DictLayout& layout) {
    return dict != nullptr && has_layout(dict, layout) ? entries(dict) : nullptr;
  }

  // Replace the value of an entry. Steals the reference to the item.
  static void write(Entry& entry, PyObject* item) { Py_DECREF(std::exchange(entry.value, item)); }

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

  static constexpr uint8_t str_keys = 1;

  static bool has_layout(PyObject* dict, const DictLayout& layout) {
    const PyDictObject* copy = reinterpret_cast<PyDictObject*>(dict);
    const Keys* keys = keys_of(dict);
    return copy->ma_used == layout.size && copy->ma_values == nullptr && keys->entry_count == layout.size &&
           layout.size != 0 && keys->reference_count == 1 && keys->kind == str_keys &&
           keys->log2_size == layout.log2_size && keys->log2_index_bytes == layout.log2_index_bytes;
  }

  static Keys* keys_of(PyObject* dict) {
    return reinterpret_cast<Keys*>(reinterpret_cast<PyDictObject*>(dict)->ma_keys);
  }

  static Entry* entries(PyObject* dict) {
    Keys* keys = keys_of(dict);
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
    if (same) same = keys_of(copy)->log2_size < 16 && keys_of(copy)->log2_index_bytes < 17;
    Entry* entry = same ? find(copy, layout_of(pattern)) : nullptr;
    same = entry != nullptr && layout_of(pattern).size == size;
    Py_ssize_t position = 0;
    PyObject *key, *value;
    for (Py_ssize_t i = 0; same && PyDict_Next(pattern, &position, &key, &value); ++i) {
      same = entry[i].key == key && entry[i].value == value;
      if (same) write(entry[i], PyBool_FromLong(1));
      if (same) same = PyDict_GetItemWithError(copy, key) == Py_True && PyDict_GetItemWithError(pattern, key) == value;
    }
    // Deleting a key must leave an empty entry, because build() deletes keys of absent values.
    if (same) {
      const Entry& last = entry[size - 1];
      same = PyDict_DelItem(copy, last.key) == 0 && last.key == nullptr && last.value == nullptr;
    }
    Py_XDECREF(pattern);
    Py_XDECREF(copy);
    return same;
  }

  static inline bool known_ = false;
#else
  static bool try_out() { return false; }
  static DictLayout layout_of(PyObject*) { return DictLayout(); }
  struct Entry {};
  static Entry* find(PyObject*, const DictLayout&) { return nullptr; }
  static void write(Entry&, PyObject*) {}  // never called
#endif
};

}  // namespace cfdns
