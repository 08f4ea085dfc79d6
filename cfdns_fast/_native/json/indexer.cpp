#include "json/indexer.hpp"

#include <new>
#include <string_view>

#include "simdjson.h"

namespace cfdns {

struct Indexer::Engine {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  // The fallback kernel does not check the byte after a backslash, so a string could continue in the next line.
  bool overlooks_escaped_newlines = simdjson::get_active_implementation()->name() == "fallback";
};

namespace {

// Stage 1 ignores the depth, but simdjson allocates memory for it.
constexpr size_t unused_depth = 1;

void check(simdjson::error_code error) {
  if (error == simdjson::SUCCESS) return;
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  throw EngineFailure("simdjson kernel '" + active_kernel() + "': " + simdjson::error_message(error));
}

bool has_escaped_newline(const char* text, size_t size_bytes) {
  return std::string_view(text, size_bytes).find("\\\n") != std::string_view::npos;
}

}  // namespace

Indexer::Indexer() : engine_(new Engine) {
  // SIMDJSON_FORCE_IMPLEMENTATION selects any compiled kernel, even one that this CPU cannot run.
  if (!simdjson::get_active_implementation()->supported_by_runtime_system()) {
    throw EngineFailure("simdjson kernel '" + active_kernel() + "' cannot run on this CPU");
  }
}
Indexer::~Indexer() = default;

bool Indexer::index(const char* text, size_t size_bytes) {
  auto& parser = engine_->parser;
  count_ = 0;
  // simdjson's starts are 32-bit. A record has at most 2^30 bytes, so every acceptable record fits.
  if (size_bytes == 0 || size_bytes >= simdjson::SIMDJSON_MAXSIZE_BYTES) return false;
  if (!parser) {
    check(simdjson::get_active_implementation()->create_dom_parser_implementation(size_bytes, unused_depth, parser));
  } else if (parser->capacity() < size_bytes) {
    check(parser->set_capacity(size_bytes));
  }
  auto error = parser->stage1(reinterpret_cast<const uint8_t*>(text), size_bytes, simdjson::stage1_mode::regular);
  switch (error) {
    case simdjson::SUCCESS:
      starts_ = parser->structural_indexes.get();
      count_ = parser->n_structural_indexes;
      if (starts_[count_] != size_bytes || starts_[count_ + 1] != size_bytes) {
        throw EngineFailure("this simdjson does not end its index as 3.12 does");
      }
      return !engine_->overlooks_escaped_newlines || !has_escaped_newline(text, size_bytes);
    case simdjson::UTF8_ERROR:
    case simdjson::UNESCAPED_CHARS:
    case simdjson::UNCLOSED_STRING:
    case simdjson::EMPTY: return false;
    default: check(error); return false;
  }
}

void Indexer::trim(size_t max_bytes) {
  if (engine_->parser && engine_->parser->capacity() > max_bytes) engine_->parser.reset();
}

bool is_utf8(const char* text, size_t size_bytes) { return simdjson::validate_utf8(text, size_bytes); }

std::string active_kernel() { return simdjson::get_active_implementation()->name(); }

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (auto implementation : simdjson::get_available_implementations()) {
    if (implementation->supported_by_runtime_system()) names.push_back(implementation->name());
  }
  return names;
}

}  // namespace cfdns
