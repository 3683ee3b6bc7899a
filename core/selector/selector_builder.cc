#include "core/selector/selector_builder.h"

#include <string>
#include <utility>

#include "core/options.h"

namespace stampede::core {

std::string_view SelectorOperand::shape_name() const {
  switch (shape) {
    case Shape::kBoolean:
      return "a condition";
    case Shape::kNumber:
      return "a number";
    case Shape::kString:
      return "a string";
    case Shape::kAny:
    case Shape::kFailed:
      break;
  }
  return "a value";
}

bool SelectorBuilder::emit_path(JsonPath path) {
  if (!count_parts(path.size())) return false;
  return emit(SelectorOp::kBody, program_.add_path(std::move(path)));
}

size_t SelectorBuilder::emit_skip(SelectorOp skip) {
  static_cast<void>(emit(skip));
  return program_.size() - 1;
}

void SelectorBuilder::end_skip(size_t skip) {
  program_.at(skip).operand = static_cast<uint32_t>(program_.size());
}

size_t SelectorBuilder::emit_list() {
  static_cast<void>(emit(SelectorOp::kIn));
  return program_.size() - 1;
}

void SelectorBuilder::end_list(size_t list) {
  program_.at(list).operand = static_cast<uint32_t>(program_.size() - 1 - list);
}

bool SelectorBuilder::emit_sign(bool is_negative, size_t begin) {
  SelectorInstruction& first = program_.at(begin);
  if (program_.size() == begin + 1 && first.op == SelectorOp::kConstant) {
    if (is_negative) first.value = negate(first.value);
    return true;
  }
  // Behind a plus the second one takes back what the first one did, but for a header's text, which
  // is a number then.
  return emit(SelectorOp::kNegate) && (is_negative || emit(SelectorOp::kNegate));
}

bool SelectorBuilder::want_condition(const SelectorOperand& operand) {
  if (operand.shape == Shape::kAny) return emit(SelectorOp::kCondition);
  if (operand.shape == Shape::kBoolean) return true;
  return reader_.fail(operand.at,
                      "expected a condition, found only " + std::string(operand.shape_name()));
}

bool SelectorBuilder::want_number(const SelectorOperand& operand) {
  if (operand.shape == Shape::kAny || operand.shape == Shape::kNumber) return true;
  return reader_.fail(operand.at, "expected a number to calculate with, found " +
                                      std::string(operand.shape_name()));
}

bool SelectorBuilder::want_ordered(const SelectorOperand& operand) {
  if (operand.shape != Shape::kBoolean) return true;
  return reader_.fail(operand.at, "a condition compares with = and <> only");
}

bool SelectorBuilder::want_comparable(const SelectorOperand& left, const SelectorOperand& right) {
  if (left.shape == Shape::kAny || right.shape == Shape::kAny || left.shape == right.shape) {
    return true;
  }
  return reader_.fail(right.at, std::string(right.shape_name()) + " never compares with " +
                                    std::string(left.shape_name()));
}

bool SelectorBuilder::emit(SelectorOp op, uint32_t operand, SelectorValue value) {
  if (reader_.has_failed() || !count_parts(1)) return false;
  program_.add({.op = op, .operand = operand, .value = value});
  return true;
}

bool SelectorBuilder::count_parts(size_t parts) {
  parts_ += parts;
  if (parts_ <= Options::selector_parts_max) return true;
  return reader_.fail(reader_.token().at, "up to here the selector has more than " +
                                              std::to_string(Options::selector_parts_max) +
                                              " operands, operators and steps of paths");
}

}  // namespace stampede::core
