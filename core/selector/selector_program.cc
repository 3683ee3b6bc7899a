#include "core/selector/selector_program.h"

#include <array>
#include <cstddef>
#include <utility>

#include "core/selector/like_pattern.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

SelectorValue header_of(SelectorSubject& subject, std::string_view name) {
  const auto text = subject.header(name);
  return text ? SelectorValue::header(*text) : SelectorValue::null();
}

// JMS 2.0 section 3.4.10: every message has a priority.
SelectorValue priority_of(SelectorSubject& subject) {
  const auto text = subject.header("priority");
  return text ? SelectorValue::header(*text)
              : SelectorValue::of(int64_t{subject.message().properties().priority});
}

SelectorValue is_between(const SelectorValue& value, const SelectorValue& low,
                         const SelectorValue& high) {
  return and_of(compare(Comparison::kGreaterOrEqual, value, low),
                compare(Comparison::kLessOrEqual, value, high));
}

// SQL-92: TRUE if it equals one, else UNKNOWN if it does not compare with one.
SelectorValue is_in(const SelectorValue& value, const SelectorInstruction* item, size_t items) {
  SelectorValue result = SelectorValue::of(false);
  for (const SelectorInstruction* const end = item + items; item != end; ++item) {
    result = or_of(result, compare(Comparison::kEqual, value, item->value));
    if (result.is_true()) break;
  }
  return result;
}

SelectorValue is_like(const SelectorValue& value, std::string_view pattern) {
  if (!value.is_text() || value.text().size() > Options::selector_like_bytes_max) {
    return SelectorValue::null();
  }
  return SelectorValue::of(matches_like(pattern, value.text()));
}

}  // namespace

std::string_view SelectorProgram::add_text(std::string_view text) {
  CHECK(text.size() <= texts_.capacity() - texts_.size());
  const size_t at = texts_.size();
  texts_.insert(texts_.end(), text.begin(), text.end());
  return {texts_.data() + at, text.size()};
}

uint32_t SelectorProgram::add_path(JsonPath path) {
  paths_.push_back(std::move(path));
  return static_cast<uint32_t>(paths_.size() - 1);
}

SelectorValue SelectorProgram::run(SelectorSubject& subject) const {
  std::array<SelectorValue, kSelectorStackMax> stack;
  SelectorValue* top = stack.data();  // behind the last value
  const auto push = [&](const SelectorValue& value) { *top++ = value; };
  // Puts the result in the place of its operands.
  const auto reduce = [&](ptrdiff_t operands, const SelectorValue& result) {
    top -= operands;
    *top++ = result;
  };

  const SelectorInstruction* const begin = code_.data();
  const SelectorInstruction* const end = begin + code_.size();
  for (const SelectorInstruction* at = begin; at < end; ++at) {
    switch (at->op) {
      case SelectorOp::kConstant:
        push(at->value);
        break;
      case SelectorOp::kHeader:
        push(header_of(subject, at->value.text()));
        break;
      case SelectorOp::kDestination:
        push(SelectorValue::header(subject.message().destination()));
        break;
      case SelectorOp::kMessageId:
        push(SelectorValue::header(subject.message().message_id()));
        break;
      case SelectorOp::kPriority:
        push(priority_of(subject));
        break;
      case SelectorOp::kBodyBytes:
        push(SelectorValue::of(uint64_t{subject.message().body().size()}));
        break;
      case SelectorOp::kBody:
        push(subject.body().find(paths_[at->operand]));
        break;
      case SelectorOp::kNegate:
        reduce(1, negate(top[-1]));
        break;
      case SelectorOp::kCalculate:
        reduce(2, calculate(static_cast<Arithmetic>(at->operand), top[-2], top[-1]));
        break;
      case SelectorOp::kCompare:
        reduce(2, compare(static_cast<Comparison>(at->operand), top[-2], top[-1]));
        break;
      case SelectorOp::kBetween:
        reduce(3, is_between(top[-3], top[-2], top[-1]));
        break;
      case SelectorOp::kIn:
        reduce(1, is_in(top[-1], at + 1, at->operand));
        at += at->operand;
        break;
      case SelectorOp::kLike:
        reduce(1, is_like(top[-1], at->value.text()));
        break;
      case SelectorOp::kIsNull:
        reduce(1, SelectorValue::of(top[-1].is_null()));
        break;
      case SelectorOp::kCondition:
        reduce(1, condition_of(top[-1]));
        break;
      case SelectorOp::kNot:
        reduce(1, not_of(top[-1]));
        break;
      case SelectorOp::kAnd:
        reduce(2, and_of(top[-2], top[-1]));
        break;
      case SelectorOp::kOr:
        reduce(2, or_of(top[-2], top[-1]));
        break;
      case SelectorOp::kSkipIfFalse:
        if (top[-1].is_false()) at = begin + at->operand - 1;
        break;
      case SelectorOp::kSkipIfTrue:
        if (top[-1].is_true()) at = begin + at->operand - 1;
        break;
    }
  }
  DCHECK(top == stack.data() + 1);
  return top[-1];
}

}  // namespace stampede::core
