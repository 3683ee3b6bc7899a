#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/selector/json_body.h"
#include "core/selector/selector_subject.h"
#include "core/selector/selector_value.h"

namespace stampede::core {

enum class SelectorOp : uint8_t {
  // Push a value.
  kConstant,     // value
  kHeader,       // value: its name
  kDestination,  // the message's own
  kMessageId,
  kPriority,   // the header, or what a message without it has
  kBodyBytes,  // size of the body
  kBody,       // operand: which of the paths

  // Take as many values as they have operands and push one.
  kNegate,
  kCalculate,  // operand: Arithmetic
  kCompare,    // operand: Comparison
  kBetween,
  kIn,    // operand: how many kConstant follow, which are its list
  kLike,  // value: the encoded pattern
  kIsNull,
  kCondition,  // the value as TRUE, FALSE or UNKNOWN
  kNot,
  kAnd,
  kOr,

  // Go on at instruction `operand`, and keep the value, if it decides alone: the left side of AND
  // is FALSE, or that of OR is TRUE.
  kSkipIfFalse,
  kSkipIfTrue,
};

struct SelectorInstruction {
  SelectorOp op = SelectorOp::kConstant;
  uint32_t operand = 0;
  SelectorValue value;
};

// Values that wait on the stack while a parenthesis, NOT or sign is looked into: the left sides of
// OR, AND, of a comparison (BETWEEN: two), of a sum and of a product. Then the operand itself.
inline constexpr size_t kSelectorStackMax = 6 * (Options::selector_depth_max + 1) + 1;

// SelectorProgram is a parsed selector: operands before their operator, in one vector, to be run on
// a stack. It takes at most one step for each instruction and allocates nothing.
//
// Owns:      all texts that its instructions are views of.
// Thread:    any; it does not change.
// Invariant: the stack never holds more than kSelectorStackMax values.
class SelectorProgram {
 public:
  // Requires: the result of add_text() is only used in this program and what it is moved to, and
  // texts of at most that many octets are added.
  explicit SelectorProgram(size_t text_bytes_max) { texts_.reserve(text_bytes_max); }
  SelectorProgram(SelectorProgram&&) noexcept = default;
  SelectorProgram& operator=(SelectorProgram&&) noexcept = default;

  [[nodiscard]] std::string_view add_text(std::string_view text);
  // Gives its number.
  uint32_t add_path(JsonPath path);
  void add(const SelectorInstruction& instruction) { code_.push_back(instruction); }
  // The instruction of that number, to be completed.
  [[nodiscard]] SelectorInstruction& at(size_t number) { return code_[number]; }
  [[nodiscard]] size_t size() const { return code_.size(); }

  // Requires: the subject has a message.
  [[nodiscard]] SelectorValue run(SelectorSubject& subject) const;

 private:
  std::vector<SelectorInstruction> code_;
  std::vector<JsonPath> paths_;
  std::vector<char> texts_;  // never beyond its capacity, so that views of it hold
};

}  // namespace stampede::core
