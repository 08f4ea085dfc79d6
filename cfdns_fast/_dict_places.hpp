// Where a dict keeps its values, and whether a dict can be used again.
//
// Most of an event's time went to making its twelve dicts and lists, and to freeing those of an earlier one. Whoever alone
// holds an event can use them for the next, as zip() does with its tuples (measured: 37 % less time for a loop over
// iter_dicts, 31 % less if it puts something of its own into each event, and 2 % more where many events are kept).
#pragma once

#include <Python.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <utility>
#include <vector>

namespace cfdns {

// Objects to let go of when nothing is half done any more: letting go of an object that is not ours may run anybody's code.
class Leftovers {
 public:
  Leftovers() = default;
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;
  ~Leftovers() { release(); }

  // Make room for so many more, which add() then relies on; false if memory is out.
  bool reserve(size_t count) noexcept {
    try {
      objects_.reserve(objects_.size() + count);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  // Takes over the reference.
  void add(PyObject* object) noexcept { objects_.push_back(object); }

  void release() {
    while (!objects_.empty()) {
      PyObject* object = objects_.back();
      objects_.pop_back();
      Py_DECREF(object);
    }
  }

 private:
  std::vector<PyObject*> objects_;
};

// A dict that others are copied from: all keys in their order, and which of the values change.
struct DictPattern {
  static constexpr size_t most_places = 64;

  PyObject* dict = nullptr;
  uint64_t changing = 0;  // a bit for each place
};

// Of a dict: nothing; what it holds, in the places of the pattern; or the dict itself, because whoever had it in between left
// its keys, their order and all values that nobody will write anew.
enum class Reuse : uint8_t { none, parts, whole };

// Where a dict keeps its values. Events have the same keys again and again: copying a dict that has them and writing the
// values into their places takes a quarter less instructions for an event, made and freed, than replacing them one by one.
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

  static bool is_layout_known() { return known_; }

  // What of a dict (or null) that was a copy of the pattern can be used again: nothing unless the caller alone holds it.
  // Values are then written past CPython: to a dict that is watched from C, or that has become one of other keys, it is not
  // done; the version tag, which 3.11 and 3.12 have and nothing in them asks for, stays.
  static Reuse reuse(PyObject* dict, const DictPattern& pattern) {
    if (!known_ || dict == nullptr || Py_REFCNT(dict) != 1 || !PyDict_CheckExact(dict)) return Reuse::none;
    const PyDictObject* mine = reinterpret_cast<PyDictObject*>(dict);
    const Keys* keys = keys_of(dict);
    const Py_ssize_t size = reinterpret_cast<PyDictObject*>(pattern.dict)->ma_used;
    bool usual = mine->ma_values == nullptr && keys->kind == str_keys && keys->entry_count >= size &&
                 !is_watched(mine) && static_cast<size_t>(size) <= DictPattern::most_places;
    if (!usual) return Reuse::none;
    const Entry* entry = entries(dict);
    const Entry* wanted = entries(pattern.dict);
    bool same_keys = true;
    bool same_values = true;
    for (Py_ssize_t i = 0; i < size; ++i) {
      same_keys &= entry[i].key == wanted[i].key || entry[i].key == nullptr;
      same_values &= (pattern.changing >> i & 1) != 0 || entry[i].value == wanted[i].value;
    }
    if (!same_keys) return Reuse::none;
    // One that was larger for a while would stay so for ever.
    bool whole = same_values && mine->ma_used == size && keys->entry_count == size &&
                 keys->log2_size == keys_of(pattern.dict)->log2_size;
    return whole ? Reuse::whole : Reuse::parts;
  }

  // The value of the index-th key of such a dict; null if the key was taken out.
  static PyObject*& place(PyObject* dict, size_t index) { return entries(dict)[index].value; }

  // Put an item in the place of the index-th key of a copied dict. Takes over the reference, also where it fails.
  static int put(PyObject* dict, size_t index, PyObject* key, PyObject* item) {
    if (!known_) return insert(dict, key, item);
    Py_DECREF(std::exchange(place(dict, index), item));
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

  static constexpr uint8_t str_keys = 1;

  // From 3.12 on somebody may ask to be told of changes. The mark is in the word before the keys.
  static bool is_watched(const PyDictObject* dict) {
#if PY_VERSION_HEX >= 0x030C0000
    uint64_t word;
    std::memcpy(&word, reinterpret_cast<const char*>(&dict->ma_keys) - sizeof word, sizeof word);
    return (word & 0xFF) != 0;
#else
    (void)dict;
    return false;
#endif
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
    if (same) {
      const Keys* keys = keys_of(copy);
      same = reinterpret_cast<PyDictObject*>(copy)->ma_values == nullptr && keys->kind == str_keys &&
             keys->entry_count == size && keys->log2_size < 16 && keys->log2_index_bytes < 17;
    }
    Py_ssize_t position = 0;
    PyObject *key, *value;
    for (Py_ssize_t i = 0; same && PyDict_Next(copy, &position, &key, &value); ++i) {
      same = entries(copy)[i].key == key && entries(copy)[i].value == value;
    }
    // What is taken out leaves its place empty.
    if (same) {
      const Entry* last = entries(copy) + size - 1;
      same = PyDict_DelItem(copy, last->key) == 0 && last->key == nullptr && last->value == nullptr;
    }
    Py_XDECREF(pattern);
    Py_XDECREF(copy);
    return same;
  }

  static inline bool known_ = false;
#else
  static bool try_out() { return false; }
  static bool is_layout_known() { return false; }
  static Reuse reuse(PyObject*, const DictPattern&) { return Reuse::none; }
  static PyObject*& place(PyObject*, size_t) { std::terminate(); }  // of no dict
  static int put(PyObject* dict, size_t, PyObject* key, PyObject* item) { return insert(dict, key, item); }

 private:
#endif
  static int insert(PyObject* dict, PyObject* key, PyObject* item) {
    int result = PyDict_SetItem(dict, key, item);
    Py_DECREF(item);
    return result;
  }
};

}  // namespace cfdns
