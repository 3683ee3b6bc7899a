#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/selector/selector.h"
#include "tests/core/selector_fixture.h"

// Random conditions on one message. Each is written down and evaluated at the same time, by a model
// that knows the rules of SQL but nothing of the parser: what it says must be what the selector
// says. Parentheses are written only where precedence asks for them, and now and then.

namespace stampede::core {
namespace {

using tests::parse_or_fail;
using tests::SelectorMessage;

using Truth = std::optional<bool>;

struct Value {
  enum Type { kNull, kBoolean, kNumber, kString, kHeader, kStructure };
  Type type = kNull;
  double number = 0;  // of a boolean: 0 or 1
  std::string text;
};

// All numbers are few multiples of a quarter, so that doubles are exact.
const std::vector<proto::StompHeader> kHeaders = {
    {"h-int", "3"},     {"h-frac", "2.5"},    {"h-neg", "-1"}, {"h-text", "abc"},
    {"h-true", "TRUE"}, {"h-false", "false"}, {"h-empty", ""}, {"h-plus", "+3"}};
constexpr std::string_view kBody =
    R"({"int":3,"frac":2.5,"text":"abc","digits":"3","true":true,"false":false,"null":null,)"
    R"("list":[1,"a"],"deep":{"er":4}})";

const std::vector<std::pair<std::string, Value>>& names() {
  static const std::vector<std::pair<std::string, Value>> names = [] {
    std::vector<std::pair<std::string, Value>> made;
    for (const auto& header : kHeaders) {
      made.push_back({std::string(header.name), {Value::kHeader, 0, std::string(header.value)}});
    }
    made.push_back({"h-missing", {}});
    made.push_back({"body.int", {Value::kNumber, 3, ""}});
    made.push_back({"body.frac", {Value::kNumber, 2.5, ""}});
    made.push_back({"body.text", {Value::kString, 0, "abc"}});
    made.push_back({"body.digits", {Value::kString, 0, "3"}});
    made.push_back({"body.true", {Value::kBoolean, 1, ""}});
    made.push_back({"body.false", {Value::kBoolean, 0, ""}});
    made.push_back({"body.null", {}});
    made.push_back({"body.list", {Value::kStructure, 0, ""}});
    made.push_back({"body.list[0]", {Value::kNumber, 1, ""}});
    made.push_back({"body.list[1]", {Value::kString, 0, "a"}});
    made.push_back({"body.\"deep\".er", {Value::kNumber, 4, ""}});
    made.push_back({"body.nowhere.x", {}});
    return made;
  }();
  return names;
}

std::optional<double> number_of(const Value& value) {
  if (value.type == Value::kNumber) return value.number;
  if (value.type != Value::kHeader || value.text.empty()) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(value.text.c_str(), &end);
  return *end == '\0' ? std::optional(number) : std::nullopt;
}

Truth truth_of(const Value& value) {
  if (value.type == Value::kBoolean) return value.number != 0;
  if (value.type != Value::kHeader) return std::nullopt;
  if (value.text == "TRUE") return true;
  if (value.text == "false") return false;
  return std::nullopt;
}

bool is_text(const Value& value) {
  return value.type == Value::kString || value.type == Value::kHeader;
}

// -1, 0 or 1.
std::optional<int> order_of(const Value& a, const Value& b, bool is_equality) {
  const auto sign = [](auto left, auto right) { return left < right ? -1 : left > right ? 1 : 0; };
  const auto a_number = number_of(a), b_number = number_of(b);
  if (is_text(a) && is_text(b)) {
    const bool by_number = !is_equality && a.type == b.type && a_number && b_number;
    return by_number ? sign(*a_number, *b_number) : sign(a.text, b.text);
  }
  if (a.type == Value::kNumber || b.type == Value::kNumber) {
    if (!a_number || !b_number) return std::nullopt;
    return sign(*a_number, *b_number);
  }
  if (!is_equality || (a.type != Value::kBoolean && b.type != Value::kBoolean)) return std::nullopt;
  const Truth a_truth = truth_of(a), b_truth = truth_of(b);
  if (!a_truth || !b_truth) return std::nullopt;
  return sign(*a_truth, *b_truth);
}

Truth both(Truth a, Truth b) {
  if (a == false || b == false) return false;
  return a && b ? Truth(true) : std::nullopt;
}
Truth opposite(Truth a) { return a ? Truth(!*a) : std::nullopt; }
Truth either(Truth a, Truth b) { return opposite(both(opposite(a), opposite(b))); }

enum Level { kOr = 1, kAnd, kNot, kPredicate, kSum, kProduct, kSign, kPrimary };

struct Written {
  std::string text;
  Level level = kPrimary;
  Value value;
  char shape = 'a';  // any, number, string, boolean
};

class Writer {
 public:
  explicit Writer(unsigned seed) : random_(seed) {}

  Written condition(int depth) {
    switch (depth == 0 ? 9 : pick(10)) {
      case 0:
      case 1:
      case 2: {
        const Written a = condition(depth - 1), b = condition(depth - 1);
        return made(in(a, kAnd) + " AND " + in(b, kNot), kAnd,
                    both(truth_of(a.value), truth_of(b.value)));
      }
      case 3:
      case 4:
      case 5: {
        const Written a = condition(depth - 1), b = condition(depth - 1);
        return made(in(a, kOr) + " or " + in(b, kAnd), kOr,
                    either(truth_of(a.value), truth_of(b.value)));
      }
      case 6: {
        const Written a = condition(depth - 1);
        return made("NOT " + in(a, kNot), kNot, opposite(truth_of(a.value)));
      }
      default:
        return predicate(depth);
    }
  }

 private:
  size_t pick(size_t count) { return random_() % count; }

  // With parentheses if what stands around it binds stronger.
  std::string in(const Written& written, Level around) {
    const bool needs = written.level < around;
    return needs || pick(8) == 0 ? "(" + written.text + ")" : written.text;
  }

  static Written made(std::string text, Level level, Truth truth) {
    Value value;
    if (truth) value = {Value::kBoolean, *truth ? 1.0 : 0.0, ""};
    return {std::move(text), level, value, 'b'};
  }

  Written predicate(int depth) {
    switch (pick(8)) {
      case 0:
        return is_null();
      case 1:
        return between(depth);
      case 2:
        return in_list();
      case 3: {
        const Written name = this->name();
        return {name.text, kPrimary, name.value, 'a'};
      }
      default:
        return comparison(depth);
    }
  }

  Written comparison(int depth) {
    const Written a = operand(depth);
    Written b = operand(depth);
    while (a.shape != 'a' && b.shape != 'a' && a.shape != b.shape) b = operand(depth);
    constexpr std::array<const char*, 6> kSymbols = {"=", "<>", "<", "<=", ">", ">="};
    const size_t symbol = pick(a.shape == 'b' || b.shape == 'b' ? 2 : 6);
    const auto order = order_of(a.value, b.value, symbol < 2);
    Truth truth;
    if (order) {
      const std::array<bool, 6> results = {*order == 0, *order != 0,
                                           *order<0, *order <= 0, *order> 0, *order >= 0};
      truth = results[symbol];
    }
    return made(in(a, kSum) + " " + kSymbols[symbol] + " " + in(b, kSum), kPredicate, truth);
  }

  Written between(int depth) {
    const Written value = number(depth), low = number(depth), high = number(depth);
    const auto from = order_of(value.value, low.value, false);
    const auto to = order_of(value.value, high.value, false);
    Truth truth =
        both(from ? Truth(*from >= 0) : std::nullopt, to ? Truth(*to <= 0) : std::nullopt);
    const bool is_negated = pick(2) == 0;
    if (is_negated) truth = opposite(truth);
    return made(in(value, kSum) + (is_negated ? " NOT BETWEEN " : " BETWEEN ") + in(low, kSum) +
                    " AND " + in(high, kSum),
                kPredicate, truth);
  }

  Written in_list() {
    const Written value = name();
    Truth truth = false;
    std::string text;
    for (size_t n = 1 + pick(3); n > 0; --n) {
      const Written item = literal();
      const auto order = order_of(value.value, item.value, true);
      truth = either(truth, order ? Truth(*order == 0) : std::nullopt);
      text += (text.empty() ? "" : ", ") + item.text;
    }
    const bool is_negated = pick(2) == 0;
    if (is_negated) truth = opposite(truth);
    return made(in(value, kSum) + (is_negated ? " NOT IN (" : " IN (") + text + ")", kPredicate,
                truth);
  }

  Written is_null() {
    const Written value = name();
    const bool is_negated = pick(2) == 0;
    return made(in(value, kSum) + (is_negated ? " IS NOT NULL" : " IS NULL"), kPredicate,
                (value.value.type == Value::kNull) != is_negated);
  }

  Written operand(int depth) {
    switch (pick(8)) {
      case 0:
        return depth > 0 ? condition(depth - 1) : name();
      case 1:
      case 2:
        return number(depth);
      case 3:
      case 4:
        return literal();
      default:
        return name();
    }
  }

  // A calculation, or what may turn out to be a number.
  Written number(int depth) {
    const size_t choice = depth == 0 ? 5 + pick(3) : pick(8);
    if (choice == 7) return name();
    if (choice > 4) return number_literal();
    const Written a = number(depth - 1);
    if (choice == 4) {
      const auto operand = number_of(a.value);
      return number_made("- " + in(a, kSign), kSign,
                         operand ? std::optional(-*operand) : std::nullopt);
    }
    const Written b = number(depth - 1);
    const auto left = number_of(a.value), right = number_of(b.value);
    std::optional<double> result;
    if (left && right) {
      const std::array<double, 4> results = {*left + *right, *left - *right, *left * *right,
                                             *right == 0 ? NAN : *left / *right};
      if (std::isfinite(results[choice])) result = results[choice];
    }
    const Level level = choice < 2 ? kSum : kProduct;
    const Level above = choice < 2 ? kProduct : kSign;
    constexpr std::array<const char*, 4> kSymbols = {" + ", " - ", " * ", " / "};
    return number_made(in(a, level) + kSymbols[choice] + in(b, above), level, result);
  }

  static Written number_made(std::string text, Level level, std::optional<double> result) {
    Value value;
    if (result) value = {Value::kNumber, *result, ""};
    return {std::move(text), level, value, 'n'};
  }

  Written number_literal() {
    constexpr std::array<const char*, 7> kTexts = {"0", "1", "2", "3", "2.5", ".25", "4L"};
    const char* const text = kTexts[pick(kTexts.size())];
    return {text, kPrimary, {Value::kNumber, std::strtod(text, nullptr), ""}, 'n'};
  }

  Written literal() {
    if (pick(2) == 0) return number_literal();
    constexpr std::array<const char*, 5> kTexts = {"abc", "a", "3", "", "TRUE"};
    const char* const text = kTexts[pick(kTexts.size())];
    return {"'" + std::string(text) + "'", kPrimary, {Value::kString, 0, text}, 's'};
  }

  Written name() {
    const auto& [text, value] = names()[pick(names().size())];
    return {text, kPrimary, value, 'a'};
  }

  std::mt19937 random_;
};

TEST(SelectorModel, SaysTheSameAsTheSelector) {
  const SelectorMessage message(kHeaders, kBody);
  SelectorSubject subject(1000);
  subject.begin(*message);
  std::array<size_t, 3> seen = {};
  for (unsigned seed = 0; seed < 50'000; ++seed) {
    const Written written = Writer(seed).condition(static_cast<int>(seed % 4));
    const Truth expected = truth_of(written.value);
    ASSERT_EQ(parse_or_fail(written.text)->matches(subject), expected == true) << written.text;
    const auto opposite = parse_or_fail("NOT (" + written.text + ")");
    ASSERT_EQ(opposite->matches(subject), expected == false) << written.text;
    ++seen[expected ? static_cast<size_t>(*expected) : 2];
  }
  for (const size_t count : seen) EXPECT_GT(count, 5'000u);
  EXPECT_EQ(subject.bodies_parsed(), 1u);
}

}  // namespace
}  // namespace stampede::core
