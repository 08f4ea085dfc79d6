// Line forms: what the NDJSON writer has to do for records that have values for the same slots.
//
// Which slots have one decides which objects there are and where they end, so what stands between two values is one text then:
// 15 copies a record instead of 28 steps (measured: 4 % of NDJSON, 2 % without the message).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "event.hpp"

namespace cfdns {

class LineForms {
 public:
  // A text, and what follows it: the value of a slot, or one of these.
  struct Part {
    static constexpr int message = -1;
    static constexpr int end = -2;
    Slice text;  // padded
    int then;
  };

  // The parts of the line for an event, up to Part::end. Null if there is no form for it: the plan's steps must do.
  const Part* find(const Plan& plan, const Event& event) {
    if (event.values.size() > most_slots) return nullptr;
    uint64_t absent = 0;
    for (const Value& value : event.values) absent = 2 * absent + (value.type == ValueType::absent);
    const Form& form = forms_[place(absent)];
    return form.absent == absent ? form.parts.data() : find_elsewhere(plan, event, absent);
  }

 private:
  static constexpr size_t most_slots = 64;
  static constexpr size_t most_forms = 64;
  static constexpr size_t most_probes = 4;
  static constexpr unsigned most_crowded = 4096;

  struct Form {
    uint64_t absent = UINT64_MAX;  // by slot, the last one lowest
    std::string text;
    std::vector<Part> parts;  // none: it is free
  };

  static size_t place(uint64_t absent) { return absent * 0x9E3779B97F4A7C15u >> 58; }

  // A form is made for what is missed twice in a row: those that come once must not cost one each. Where there is no room for
  // it, others make room after a while, in case the records have changed.
  CFDNS_APART const Part* find_elsewhere(const Plan& plan, const Event& event, uint64_t absent) {
    Form* free = nullptr;
    for (size_t i = 0; i < most_probes && free == nullptr; ++i) {
      Form& form = forms_[(place(absent) + i) % most_forms];
      if (form.absent == absent) return form.parts.data();
      if (form.parts.empty()) free = &form;
    }
    if (std::exchange(missed_, absent) != absent) return nullptr;
    if (free == nullptr) {
      if (++crowded_ == most_crowded) forget();
      return nullptr;
    }
    make(plan, event, *free);
    free->absent = absent;
    return free->parts.data();
  }

  void forget() {
    for (Form& form : forms_) form = Form();
    crowded_ = 0;
  }

  // As write_event() does it.
  static void make(const Plan& plan, const Event& event, Form& form) {
    struct Object {
      size_t opening, first_member, parts;
    };
    std::vector<Object> open;
    std::vector<std::pair<size_t, int>> cuts;  // where a text ends, and what follows it
    std::string text = "{";
    for (const Step& step : plan.steps) {
      if (step.what == Step::What::close) {
        const Object object = open.back();
        open.pop_back();
        if (text.size() == object.first_member && cuts.size() == object.parts) {
          text.resize(object.opening);
        } else {
          text.back() = '}';
          text += ',';
        }
        continue;
      }
      if (step.what == Step::What::value && event.values[step.slot].type == ValueType::absent) continue;
      const size_t opening = text.size();
      text.append(step.before.data, step.before.size_bytes);
      if (step.what == Step::What::open) open.push_back({opening, text.size(), cuts.size()});
      if (step.what == Step::What::value) cuts.emplace_back(text.size(), step.slot);
      if (step.what == Step::What::raw) cuts.emplace_back(text.size(), Part::message);
      text.append(step.after, step.after_bytes);
    }
    if (text.back() == ',') text.pop_back();
    text += "}\n";
    cuts.emplace_back(text.size(), Part::end);
    text.append(padding_bytes, '\0');

    std::vector<Part> parts;
    size_t start = 0;
    for (const auto& [cut, then] : cuts) {
      parts.push_back({{text.data() + start, cut - start}, then});
      start = cut;
    }
    // Nothing throws from here on. The text stays where it is: it is too long to lie within the string.
    form.parts = std::move(parts);
    form.text = std::move(text);
  }

  Form forms_[most_forms];
  uint64_t missed_ = UINT64_MAX;
  unsigned crowded_ = 0;
};

}  // namespace cfdns
