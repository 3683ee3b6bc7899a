#include "core/slow_terms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "core/destination_name.h"

namespace stampede::core {

namespace {

constexpr std::array<std::string_view, kSlowPolicies> kNames = {"disconnect", "conflate",
                                                                "drop-old", "drop-new"};

std::optional<SlowPolicy> policy_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<SlowPolicy>(found - kNames.begin());
}

// Digits, and K, M or G for powers of 1024.
std::optional<size_t> octets(std::string_view text) {
  size_t unit = 1;
  switch (text.empty() ? '\0' : text.back()) {
    case 'K':
    case 'k':
      unit = size_t{1} << 10;
      break;
    case 'M':
    case 'm':
      unit = size_t{1} << 20;
      break;
    case 'G':
    case 'g':
      unit = size_t{1} << 30;
      break;
    default:
      break;
  }
  if (unit > 1) text.remove_suffix(1);
  size_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (number == 0 || number > SIZE_MAX / unit) return std::nullopt;
  return number * unit;
}

std::string_view take_word(std::string_view& text) {
  const size_t begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

// Each word behind the policy; what is none of them is left to `other`.
template <typename Other>
Result<SlowTerms> parse_words(std::string_view text, Other&& other) {
  SlowTerms terms;
  const std::string_view name = take_word(text);
  const auto policy = policy_named(name);
  if (!policy) {
    return std::unexpected("'" + std::string(name) +
                           "' is none of disconnect, conflate, drop-old, drop-new");
  }
  terms.policy = *policy;
  for (auto word = take_word(text); !word.empty(); word = take_word(text)) {
    if (word.starts_with("key=")) {
      terms.key = word.substr(4);
      if (terms.key.empty() || terms.policy != SlowPolicy::kConflate) {
        return std::unexpected("'" + std::string(word) +
                               "': only conflate has a key, the name of a header");
      }
    } else if (word.starts_with("bytes=")) {
      const auto bytes = octets(word.substr(6));
      if (!bytes) return std::unexpected("'" + std::string(word) + "' is no size such as 64K");
      terms.bytes = *bytes;
    } else if (!other(word)) {
      return std::unexpected("'" + std::string(word) + "' is not known here");
    }
  }
  return terms;
}

}  // namespace

std::string_view to_string(SlowPolicy policy) { return kNames[static_cast<size_t>(policy)]; }

Result<SlowTerms> parse_slow_terms(std::string_view text) {
  return parse_words(text, [](std::string_view) { return false; });
}

Result<SlowConsumerRule> parse_slow_rule(std::string_view text) {
  SlowConsumerRule rule;
  Result<SlowTerms> terms = parse_words(text, [&rule](std::string_view word) {
    if (!rule.pattern.empty()) return false;
    rule.pattern = word;
    return true;
  });
  if (!terms) return std::unexpected(std::move(terms.error()));
  rule.terms = std::move(*terms);
  return rule;
}

std::string format_slow_rule(const SlowConsumerRule& rule) {
  std::string text(to_string(rule.terms.policy));
  if (!rule.pattern.empty()) text.append(" ").append(rule.pattern);
  if (!rule.terms.key.empty()) text.append(" key=").append(rule.terms.key);
  if (rule.terms.bytes > 0) text.append(" bytes=").append(std::to_string(rule.terms.bytes));
  return text;
}

bool covers(std::string_view pattern, std::string_view destination) {
  if (pattern.empty()) return true;
  DestinationLevels wide;
  DestinationLevels narrow;
  split_levels(pattern, wide);
  split_levels(destination, narrow);
  for (size_t level = 0; level < wide.size(); ++level) {
    if (is_rest(wide[level])) return true;
    if (level == narrow.size() || is_rest(narrow[level])) return false;
    // Only `*` matches all that a `*` does.
    if (!is_any_level(wide[level]) && wide[level] != narrow[level]) return false;
  }
  return wide.size() == narrow.size();
}

SlowTerms slow_terms_of(std::string_view destination, std::span<const SlowConsumerRule> rules) {
  for (const SlowConsumerRule& rule : rules) {
    if (covers(rule.pattern, destination)) return rule.terms;
  }
  return {};
}

Result<SlowTerms> lower_slow_terms(const SlowTerms& ruled, const SlowTerms& asked) {
  using enum SlowPolicy;
  SlowTerms terms = asked;
  // Both hold as much, only not the same.
  const auto amount = [](SlowPolicy policy) { return std::min(policy, kDropOld); };
  const bool asks_for_more =
      amount(asked.policy) > amount(ruled.policy) ||
      (ruled.policy == kConflate && !asked.key.empty() && asked.key != ruled.key);
  if (asks_for_more) {
    return std::unexpected("slow-consumer asks that more be held than '" +
                           std::string(to_string(ruled.policy)) +
                           "', which this destination has (--slow-consumer)");
  }
  if (ruled.policy == kConflate && asked.policy == kConflate) terms.key = ruled.key;
  if (ruled.bytes > 0 && (terms.bytes == 0 || terms.bytes > ruled.bytes)) terms.bytes = ruled.bytes;
  return terms;
}

}  // namespace stampede::core
