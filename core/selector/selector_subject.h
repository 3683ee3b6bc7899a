#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/message.h"
#include "core/selector/json_body.h"

namespace stampede::core {

// SelectorSubject is the message that selectors look at. Headers are listed, and the body is parsed
// as JSON, when the first selector asks, and at most once however many look.
//
// Owns:      the list and the parsed body, both kept for the next message.
// Thread:    the shard that owns it.
// Lifetime:  end() comes before the message goes: another one may be made in its place.
class SelectorSubject {
 public:
  // A longer body is not looked into: it is NULL.
  explicit SelectorSubject(size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  // The same message as before keeps what was found out about it.
  void begin(const Message& message);
  void end() { message_ = nullptr; }

  // Requires, for all of these: between begin() and end().
  [[nodiscard]] const Message& message() const { return *message_; }
  // The first of that name, as Message::header() has it.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name);
  [[nodiscard]] const JsonBody& body();

  // How many bodies were handed to the JSON parser so far.
  [[nodiscard]] uint64_t bodies_parsed() const { return bodies_parsed_; }

 private:
  const size_t body_bytes_max_;
  const Message* message_ = nullptr;
  uint64_t sequence_ = 0;
  uint64_t route_hash_ = 0;
  bool has_headers_ = false;
  bool has_body_ = false;
  std::vector<proto::StompHeader> headers_;
  JsonBody body_;
  uint64_t bodies_parsed_ = 0;
};

}  // namespace stampede::core
