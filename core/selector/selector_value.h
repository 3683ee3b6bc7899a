#pragma once

#include <cstdint>
#include <string_view>

namespace stampede::core {

// SelectorValue is what an operand of a selector is worth for one message, and what a condition
// gives: TRUE, FALSE, or NULL for UNKNOWN (SQL's three-valued logic).
//
// Lifetime:  a text is a view of the message, of its parsed body or of the selector.
// Invariant: a double is finite; kUnsigned is above what int64_t holds.
class SelectorValue {
 public:
  enum class Kind : uint8_t {
    kNull,  // not there, or without a meaning here
    kBoolean,
    kInteger,
    kUnsigned,
    kDouble,
    kString,     // a literal, or a string of the body
    kHeader,     // text of a header: a number or a boolean where the other side is one
    kStructure,  // an array or object of the body: it is there, but equals nothing
  };

  // Not a value: the evaluation's stack is too large to be cleared for each message.
  SelectorValue() = default;

  [[nodiscard]] static SelectorValue null() { return SelectorValue(Kind::kNull); }
  [[nodiscard]] static SelectorValue structure() { return SelectorValue(Kind::kStructure); }
  [[nodiscard]] static SelectorValue of(bool value) {
    SelectorValue made(Kind::kBoolean);
    made.boolean_ = value;
    return made;
  }
  [[nodiscard]] static SelectorValue of(int64_t value) {
    SelectorValue made(Kind::kInteger);
    made.integer_ = value;
    return made;
  }
  [[nodiscard]] static SelectorValue of(uint64_t value);
  // NULL if it is not finite.
  [[nodiscard]] static SelectorValue of(double value);
  [[nodiscard]] static SelectorValue string(std::string_view text) {
    return SelectorValue(Kind::kString, text);
  }
  [[nodiscard]] static SelectorValue header(std::string_view text) {
    return SelectorValue(Kind::kHeader, text);
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_null() const { return kind_ == Kind::kNull; }
  [[nodiscard]] bool is_true() const { return kind_ == Kind::kBoolean && boolean_; }
  [[nodiscard]] bool is_false() const { return kind_ == Kind::kBoolean && !boolean_; }
  [[nodiscard]] bool is_text() const { return kind_ == Kind::kString || kind_ == Kind::kHeader; }
  [[nodiscard]] bool is_integer() const {
    return kind_ == Kind::kInteger || kind_ == Kind::kUnsigned;
  }
  [[nodiscard]] bool is_number() const { return is_integer() || kind_ == Kind::kDouble; }
  // Each requires that it is one.
  [[nodiscard]] bool boolean() const { return boolean_; }
  [[nodiscard]] std::string_view text() const { return {text_, text_size_}; }
  [[nodiscard]] __int128 integer() const {
    return kind_ == Kind::kInteger ? __int128{integer_} : __int128{unsigned_};
  }
  [[nodiscard]] double number() const;

 private:
  explicit SelectorValue(Kind kind) : kind_(kind), text_size_(0), integer_(0) {}
  SelectorValue(Kind kind, std::string_view text)
      : kind_(kind), text_size_(static_cast<uint32_t>(text.size())), text_(text.data()) {}

  Kind kind_;
  uint32_t text_size_;
  union {
    bool boolean_;
    int64_t integer_;
    uint64_t unsigned_;
    double double_;
    const char* text_;
  };
};
static_assert(sizeof(SelectorValue) == 16);

// The number that the whole text is: sign, digits, fraction, exponent. NULL if it is none.
[[nodiscard]] SelectorValue parse_number(std::string_view text);

// What a value is where a condition is asked for: TRUE or FALSE, also as text of a header.
[[nodiscard]] SelectorValue condition_of(const SelectorValue& value);

[[nodiscard]] SelectorValue not_of(const SelectorValue& value);
[[nodiscard]] SelectorValue and_of(const SelectorValue& left, const SelectorValue& right);
[[nodiscard]] SelectorValue or_of(const SelectorValue& left, const SelectorValue& right);

enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual
};

// NULL if the two are of types that do not compare.
[[nodiscard]] SelectorValue compare(Comparison comparison, const SelectorValue& left,
                                    const SelectorValue& right);

enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide };

// Exact while operands and result are integers of 64 bits, else in doubles. NULL if an operand is
// no number, for a division by zero, and where a double overflows.
[[nodiscard]] SelectorValue calculate(Arithmetic operation, const SelectorValue& left,
                                      const SelectorValue& right);
[[nodiscard]] SelectorValue negate(const SelectorValue& value);

}  // namespace stampede::core
