#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/selector/selector.h"
#include "tests/core/make_message.h"

namespace stampede::tests {

// A numbered message that goes with the test.
class SelectorMessage {
 public:
  explicit SelectorMessage(const std::vector<proto::StompHeader>& headers,
                           std::string_view body = "", std::string_view message_id = "")
      : message_(make_message({.destination = "/topic/prices",
                               .message_id = message_id,
                               .headers = headers,
                               .body = body,
                               .route_hash = 42})) {
    message_->set_number(7, "made-7");
  }
  ~SelectorMessage() { message_->drop_reference(); }
  SelectorMessage(const SelectorMessage&) = delete;
  SelectorMessage& operator=(const SelectorMessage&) = delete;

  core::Message& operator*() const { return *message_; }
  core::Message* operator->() const { return message_; }

 private:
  core::Message* message_;
};

inline std::shared_ptr<const core::Selector> parse_or_fail(std::string_view text) {
  auto selector = core::Selector::parse(text, core::Options());
  if (selector) return *selector;
  ADD_FAILURE() << text << ": " << selector.error();
  return *core::Selector::parse("FALSE", core::Options());
}

// TRUE, FALSE or UNKNOWN: what the condition is for a message of these headers and this body.
inline std::string truth_of(std::string_view condition,
                            const std::vector<proto::StompHeader>& headers = {},
                            std::string_view body = "") {
  const SelectorMessage message(headers, body);
  core::SelectorSubject subject(core::Options().selector_body_bytes_max);
  subject.begin(*message);
  const bool is_true = parse_or_fail(condition)->matches(subject);
  const std::string opposite = "NOT (" + std::string(condition) + ")";
  const bool is_false = parse_or_fail(opposite)->matches(subject);
  EXPECT_FALSE(is_true && is_false) << condition;
  return is_true ? "TRUE" : is_false ? "FALSE" : "UNKNOWN";
}

// The error of a bad selector.
inline std::string error_of(std::string_view text, const core::Options& options = {}) {
  const auto selector = core::Selector::parse(text, options);
  return selector ? "none: " + std::string(text) : selector.error();
}

}  // namespace stampede::tests
