#include "core/selector/selector_value.h"

#include <charconv>
#include <cmath>
#include <compare>
#include <cstddef>
#include <limits>
#include <system_error>

namespace stampede::core {

namespace {

using Kind = SelectorValue::Kind;
using Wide = __int128;

constexpr Wide kInt64Min = std::numeric_limits<int64_t>::min();
constexpr Wide kInt64Max = std::numeric_limits<int64_t>::max();
constexpr Wide kUint64Max = std::numeric_limits<uint64_t>::max();

constexpr bool is_digit(char octet) { return octet >= '0' && octet <= '9'; }

// `word` is in lower case.
bool is_word(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) return false;
  for (size_t n = 0; n < text.size(); ++n) {
    if ((text[n] | 0x20) != word[n]) return false;
  }
  return true;
}

SelectorValue of_wide(Wide value) {
  if (value >= kInt64Min && value <= kInt64Max) {
    return SelectorValue::of(static_cast<int64_t>(value));
  }
  if (value > 0 && value <= kUint64Max) return SelectorValue::of(static_cast<uint64_t>(value));
  return SelectorValue::of(static_cast<double>(value));
}

// A header's text as the number that it is; what is no number as NULL.
SelectorValue number_of(const SelectorValue& value) {
  if (value.is_number()) return value;
  return value.kind() == Kind::kHeader ? parse_number(value.text()) : SelectorValue::null();
}

// Exact: a conversion to double would make 2^53 and 2^53 + 1 equal.
std::partial_ordering order_mixed(Wide left, double right) {
  constexpr double kBeyond = 1.8446744073709552e19;  // 2^64
  if (right >= kBeyond) return std::partial_ordering::less;
  if (right <= -kBeyond) return std::partial_ordering::greater;
  const double whole = std::trunc(right);
  const auto wide = static_cast<Wide>(whole);
  if (left != wide) {
    return left < wide ? std::partial_ordering::less : std::partial_ordering::greater;
  }
  return whole <=> right;
}

std::partial_ordering reversed(std::partial_ordering order) {
  if (order < 0) return std::partial_ordering::greater;
  if (order > 0) return std::partial_ordering::less;
  return order;
}

std::partial_ordering order_numbers(const SelectorValue& left, const SelectorValue& right) {
  if (left.is_null() || right.is_null()) return std::partial_ordering::unordered;
  if (left.is_integer() && right.is_integer()) {
    return left.integer() == right.integer()  ? std::partial_ordering::equivalent
           : left.integer() < right.integer() ? std::partial_ordering::less
                                              : std::partial_ordering::greater;
  }
  if (left.is_integer()) return order_mixed(left.integer(), right.number());
  if (right.is_integer()) return reversed(order_mixed(right.integer(), left.number()));
  return left.number() <=> right.number();
}

std::partial_ordering order_texts(const SelectorValue& left, const SelectorValue& right) {
  const auto by_octets = left.text() <=> right.text();
  if (left.kind() != Kind::kHeader || right.kind() != Kind::kHeader) return by_octets;
  // Of two headers neither says that it is a number, but "9" must not come behind "10".
  const auto by_number = order_numbers(number_of(left), number_of(right));
  return by_number == std::partial_ordering::unordered ? by_octets : by_number;
}

std::partial_ordering order(const SelectorValue& left, const SelectorValue& right,
                            bool is_equality) {
  if (left.is_text() && right.is_text()) return order_texts(left, right);
  if (left.is_number() || right.is_number()) {
    return order_numbers(number_of(left), number_of(right));
  }
  // Truth has no order (JMS 2.0 section 3.8.1.1).
  if (is_equality && (left.kind() == Kind::kBoolean || right.kind() == Kind::kBoolean)) {
    const SelectorValue left_truth = condition_of(left);
    const SelectorValue right_truth = condition_of(right);
    if (!left_truth.is_null() && !right_truth.is_null()) {
      return left_truth.boolean() <=> right_truth.boolean();
    }
  }
  return std::partial_ordering::unordered;
}

SelectorValue calculate_doubles(Arithmetic operation, double left, double right) {
  switch (operation) {
    case Arithmetic::kAdd:
      return SelectorValue::of(left + right);
    case Arithmetic::kSubtract:
      return SelectorValue::of(left - right);
    case Arithmetic::kMultiply:
      return SelectorValue::of(left * right);
    case Arithmetic::kDivide:
      return right == 0 ? SelectorValue::null() : SelectorValue::of(left / right);
  }
  return SelectorValue::null();
}

}  // namespace

SelectorValue SelectorValue::of(uint64_t value) {
  if (value <= static_cast<uint64_t>(kInt64Max)) return of(static_cast<int64_t>(value));
  SelectorValue made(Kind::kUnsigned);
  made.unsigned_ = value;
  return made;
}

SelectorValue SelectorValue::of(double value) {
  if (!std::isfinite(value)) return null();
  SelectorValue made(Kind::kDouble);
  made.double_ = value;
  return made;
}

double SelectorValue::number() const {
  if (kind_ == Kind::kDouble) return double_;
  return kind_ == Kind::kInteger ? static_cast<double>(integer_) : static_cast<double>(unsigned_);
}

SelectorValue parse_number(std::string_view text) {
  std::string_view digits = text;
  const bool is_negative = digits.starts_with('-');
  if (is_negative || digits.starts_with('+')) digits.remove_prefix(1);
  // from_chars would also take a second sign, and words such as "inf".
  if (digits.empty() || (!is_digit(digits.front()) && digits.front() != '.')) {
    return SelectorValue::null();
  }
  const char* const end = digits.data() + digits.size();
  uint64_t whole = 0;
  const auto [whole_end, whole_error] = std::from_chars(digits.data(), end, whole);
  if (whole_end == end && whole_error == std::errc()) {
    return is_negative ? of_wide(-Wide{whole}) : SelectorValue::of(whole);
  }
  double number = 0;
  const auto [number_end, number_error] = std::from_chars(digits.data(), end, number);
  if (number_end != end || number_error != std::errc()) return SelectorValue::null();
  return SelectorValue::of(is_negative ? -number : number);
}

SelectorValue condition_of(const SelectorValue& value) {
  if (value.kind() == Kind::kBoolean) return value;
  if (value.kind() == Kind::kHeader) {
    if (is_word(value.text(), "true")) return SelectorValue::of(true);
    if (is_word(value.text(), "false")) return SelectorValue::of(false);
  }
  return SelectorValue::null();
}

SelectorValue not_of(const SelectorValue& value) {
  return value.is_null() ? value : SelectorValue::of(!value.boolean());
}

SelectorValue and_of(const SelectorValue& left, const SelectorValue& right) {
  if (left.is_false() || right.is_false()) return SelectorValue::of(false);
  return left.is_null() ? left : right;
}

SelectorValue or_of(const SelectorValue& left, const SelectorValue& right) {
  if (left.is_true() || right.is_true()) return SelectorValue::of(true);
  return left.is_null() ? left : right;
}

SelectorValue compare(Comparison comparison, const SelectorValue& left,
                      const SelectorValue& right) {
  const bool is_equality = comparison == Comparison::kEqual || comparison == Comparison::kNotEqual;
  if (is_equality && left.is_text() && right.is_text()) {
    return SelectorValue::of((left.text() == right.text()) == (comparison == Comparison::kEqual));
  }
  const std::partial_ordering found = order(left, right, is_equality);
  if (found == std::partial_ordering::unordered) return SelectorValue::null();
  switch (comparison) {
    case Comparison::kEqual:
      return SelectorValue::of(found == 0);
    case Comparison::kNotEqual:
      return SelectorValue::of(found != 0);
    case Comparison::kLess:
      return SelectorValue::of(found < 0);
    case Comparison::kLessOrEqual:
      return SelectorValue::of(found <= 0);
    case Comparison::kGreater:
      return SelectorValue::of(found > 0);
    case Comparison::kGreaterOrEqual:
      return SelectorValue::of(found >= 0);
  }
  return SelectorValue::null();
}

SelectorValue calculate(Arithmetic operation, const SelectorValue& left,
                        const SelectorValue& right) {
  const SelectorValue a = number_of(left);
  const SelectorValue b = number_of(right);
  if (a.is_null() || b.is_null()) return SelectorValue::null();
  if (!a.is_integer() || !b.is_integer()) {
    return calculate_doubles(operation, a.number(), b.number());
  }
  switch (operation) {
    case Arithmetic::kAdd:
      return of_wide(a.integer() + b.integer());
    case Arithmetic::kSubtract:
      return of_wide(a.integer() - b.integer());
    case Arithmetic::kMultiply: {
      Wide product = 0;
      if (!__builtin_mul_overflow(a.integer(), b.integer(), &product)) return of_wide(product);
      break;
    }
    case Arithmetic::kDivide:
      // Neither a header nor JSON says that a number is of an integer type, so 1 / 2 is a half.
      if (b.integer() != 0 && a.integer() % b.integer() == 0) {
        return of_wide(a.integer() / b.integer());
      }
      break;
  }
  return calculate_doubles(operation, a.number(), b.number());
}

SelectorValue negate(const SelectorValue& value) {
  const SelectorValue number = number_of(value);
  if (number.is_integer()) return of_wide(-number.integer());
  return number.is_null() ? number : SelectorValue::of(-number.number());
}

}  // namespace stampede::core
