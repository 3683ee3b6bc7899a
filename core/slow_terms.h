#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/base/result.h"

namespace stampede::core {

// What is done about a subscription whose reader lags by more than the bound. In the order of what
// is held for a reader that takes nothing any more.
enum class SlowPolicy : uint8_t {
  kDisconnect,  // nothing: its connection is ended
  kConflate,    // the newest message of each destination, or of each value of a header
  kDropOld,     // the newest messages that are within the bound
  kDropNew,     // the oldest: what was within the bound, until it is taken
};
inline constexpr size_t kSlowPolicies = 4;
inline constexpr std::array kDroppingPolicies = {SlowPolicy::kConflate, SlowPolicy::kDropOld,
                                                 SlowPolicy::kDropNew};

[[nodiscard]] std::string_view to_string(SlowPolicy policy);  // "disconnect", "conflate", ...

// SlowTerms is what a rule or a SUBSCRIBE says of it.
struct SlowTerms {
  SlowPolicy policy = SlowPolicy::kDisconnect;
  std::string key = {};  // kConflate: the header by which it keeps them apart; empty: none
  size_t bytes = 0;      // the bound; 0: --slow-consumer-bytes
  friend bool operator==(const SlowTerms&, const SlowTerms&) = default;
};

// The terms for the subscriptions of some destinations.
struct SlowConsumerRule {
  std::string pattern = {};  // as in a SUBSCRIBE; empty: all
  SlowTerms terms = {};
};

// "conflate", "conflate key=symbol bytes=64K": what a SUBSCRIBE says.
[[nodiscard]] Result<SlowTerms> parse_slow_terms(std::string_view text);
// The same with a pattern behind the policy: "conflate /topic/price.* key=symbol".
[[nodiscard]] Result<SlowConsumerRule> parse_slow_rule(std::string_view text);
// What the parse_ function takes.
[[nodiscard]] std::string format_slow_rule(const SlowConsumerRule& rule);

// True if the pattern matches whatever the destination, which may be a pattern too, matches.
[[nodiscard]] bool covers(std::string_view pattern, std::string_view destination);

// Those of the first rule whose pattern covers the destination; else kDisconnect.
[[nodiscard]] SlowTerms slow_terms_of(std::string_view destination,
                                      std::span<const SlowConsumerRule> rules);

// What a subscription gets whose destination has the terms `ruled`, when it asks for `asked`. It
// may ask for less to be held, and for fewer octets; the error says that it asks for more.
[[nodiscard]] Result<SlowTerms> lower_slow_terms(const SlowTerms& ruled, const SlowTerms& asked);

}  // namespace stampede::core
