#include "core/selector/json_body.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace stampede::core {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string_view text_of(std::span<const uint8_t> octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

constexpr bool is_blank(char octet) {
  return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\r';
}

// The step's place in `place`, which becomes it; false if there is none.
bool take_step(element& place, const JsonStep& step) {
  if (step.is_index) {
    simdjson::dom::array elements;
    return place.get(elements) == simdjson::SUCCESS &&
           elements.at(step.index).get(place) == simdjson::SUCCESS;
  }
  simdjson::dom::object members;
  return place.get(members) == simdjson::SUCCESS &&
         members.at_key(step.key).get(place) == simdjson::SUCCESS;
}

// Requires: the value is of that type.
template <typename T>
T read(const element& place) {
  T value = {};
  return place.get(value) == simdjson::SUCCESS ? value : T{};
}

SelectorValue value_at(const element& place) {
  switch (place.type()) {
    case element_type::ARRAY:
    case element_type::OBJECT:
      return SelectorValue::structure();
    case element_type::INT64:
      return SelectorValue::of(read<int64_t>(place));
    case element_type::UINT64:
      return SelectorValue::of(read<uint64_t>(place));
    case element_type::DOUBLE:
      return SelectorValue::of(read<double>(place));
    case element_type::STRING:
      return SelectorValue::string(read<std::string_view>(place));
    case element_type::BOOL:
      return SelectorValue::of(read<bool>(place));
    case element_type::NULL_VALUE:
      break;
  }
  return SelectorValue::null();
}

}  // namespace

struct JsonBody::Document {
  simdjson::dom::parser parser;
  element root;
  bool is_valid = false;
};

JsonBody::JsonBody() = default;
JsonBody::~JsonBody() = default;
JsonBody::JsonBody(JsonBody&&) noexcept = default;
JsonBody& JsonBody::operator=(JsonBody&&) noexcept = default;

bool JsonBody::may_be_json(std::span<const uint8_t> octets) {
  std::string_view text = text_of(octets);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  if (text.empty()) return false;
  const char first = text.front();
  if (first == '{' || first == '[' || first == '"' || first == '-') return true;
  if (first >= '0' && first <= '9') return true;
  constexpr std::array<std::string_view, 3> kWords = {"true", "false", "null"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return text.starts_with(word); });
}

bool JsonBody::parse(std::span<const uint8_t> octets) {
  if (document_ == nullptr) document_ = std::make_unique<Document>();
  // The library reads behind the end; `true` makes it copy into a buffer of its own with room.
  const std::string_view text = text_of(octets);
  document_->is_valid =
      document_->parser.parse(text.data(), text.size(), true).get(document_->root) ==
      simdjson::SUCCESS;
  return document_->is_valid;
}

void JsonBody::clear() {
  if (document_ != nullptr) document_->is_valid = false;
}

SelectorValue JsonBody::find(std::span<const JsonStep> path) const {
  if (document_ == nullptr || !document_->is_valid) return SelectorValue::null();
  element place = document_->root;
  for (const JsonStep& step : path) {
    if (!take_step(place, step)) return SelectorValue::null();
  }
  return value_at(place);
}

}  // namespace stampede::core
