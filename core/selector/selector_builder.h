#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/selector/selector_program.h"
#include "core/selector/selector_reader.h"

namespace stampede::core {

// An operand whose instructions were emitted, and what is known of it before there is a message.
struct SelectorOperand {
  enum class Shape : uint8_t {
    kAny,      // a header or a path: its type shows with the message
    kBoolean,  // a condition, TRUE or FALSE
    kNumber,
    kString,
    kFailed,  // the reader has the error
  };
  Shape shape = Shape::kFailed;
  size_t at = 0;  // where it begins

  [[nodiscard]] bool has_failed() const { return shape == Shape::kFailed; }
  [[nodiscard]] std::string_view shape_name() const;
};

// SelectorBuilder makes the program of a selector, and sees to its limits and to the types that can
// be told from the text. What is false has left an error with the reader.
class SelectorBuilder {
 public:
  SelectorBuilder(SelectorReader& reader, size_t text_bytes)
      : reader_(reader), program_(text_bytes) {}

  bool emit(SelectorOp op, uint32_t operand = 0) {
    return emit(op, operand, SelectorValue::null());
  }
  // The value's text must be of keep().
  bool emit(SelectorOp op, SelectorValue value) { return emit(op, 0, value); }
  bool emit_path(JsonPath path);
  // The left side of AND or OR was emitted; gives where the place for the right side's end is.
  [[nodiscard]] size_t emit_skip(SelectorOp skip);
  void end_skip(size_t skip);
  // IN; what is emitted until end_list() are its constants.
  [[nodiscard]] size_t emit_list();
  void end_list(size_t list);
  // Turns the operand that begins there into its negative, or into a number at least.
  bool emit_sign(bool is_negative, size_t begin);
  [[nodiscard]] std::string_view keep(std::string_view text) { return program_.add_text(text); }
  [[nodiscard]] size_t size() const { return program_.size(); }
  [[nodiscard]] SelectorProgram take() { return std::move(program_); }

  // Requires: nothing was emitted since the operand.
  bool want_condition(const SelectorOperand& operand);
  bool want_number(const SelectorOperand& operand);
  bool want_ordered(const SelectorOperand& operand);
  bool want_comparable(const SelectorOperand& left, const SelectorOperand& right);

 private:
  using Shape = SelectorOperand::Shape;

  bool emit(SelectorOp op, uint32_t operand, SelectorValue value);
  bool count_parts(size_t parts);

  SelectorReader& reader_;
  SelectorProgram program_;
  size_t parts_ = 0;
};

}  // namespace stampede::core
