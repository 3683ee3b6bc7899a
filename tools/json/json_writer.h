#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace stampede::json {

// JsonWriter puts one JSON text together and sets the commas.
//
// Owns:      the text so far.
// Thread:    one.
// Invariant: whatever octets the strings hold, the text is JSON in UTF-8; a number that JSON has no
//            form for (infinite, or not a number) is null.
class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  // Must be followed by one value, object or array.
  void key(std::string_view name);
  void value(std::string_view text);
  void value(double number);
  // A template also for bool, so that no pointer becomes one.
  void value(std::integral auto number) {
    if constexpr (std::same_as<decltype(number), bool>) {
      literal(number ? "true" : "false");
    } else {
      literal(std::to_string(number));
    }
  }
  void null() { literal("null"); }

  void member(std::string_view name, const auto& content) {
    key(name);
    value(content);
  }

  // Requires: all that began has ended.
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void open(char bracket);
  void close(char bracket);
  void literal(std::string_view text);
  void separate();

  std::string text_;
  bool needs_comma_ = false;
};

// `text` in quotes. Octets that are not UTF-8 become one escape each, so that a reader sees which
// they were; '<' is escaped too, so that the text may stand within an HTML script element.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace stampede::json
