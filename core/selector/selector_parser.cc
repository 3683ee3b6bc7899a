#include "core/selector/selector_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "core/selector/like_pattern.h"
#include "core/selector/selector_builder.h"
#include "core/selector/selector_names.h"
#include "core/selector/selector_reader.h"
#include "proto/utf8.h"

namespace stampede::core {

namespace {

using Kind = SelectorToken::Kind;
using Operand = SelectorOperand;
using Shape = SelectorOperand::Shape;

constexpr bool is_continuation(char octet) { return (static_cast<uint8_t>(octet) & 0xC0) == 0x80; }

template <typename Operation>
struct Sign {
  std::string_view symbol;
  Operation operation;
};
constexpr std::array<Sign<Comparison>, 7> kComparisons = {{{"=", Comparison::kEqual},
                                                           {"<>", Comparison::kNotEqual},
                                                           {"!=", Comparison::kNotEqual},
                                                           {"<", Comparison::kLess},
                                                           {"<=", Comparison::kLessOrEqual},
                                                           {">", Comparison::kGreater},
                                                           {">=", Comparison::kGreaterOrEqual}}};
constexpr std::array<Sign<Arithmetic>, 2> kSums = {
    {{"+", Arithmetic::kAdd}, {"-", Arithmetic::kSubtract}}};
constexpr std::array<Sign<Arithmetic>, 2> kProducts = {
    {{"*", Arithmetic::kMultiply}, {"/", Arithmetic::kDivide}}};

// The sign that the token is; null if it is none of them.
template <typename Operation, size_t N>
const Sign<Operation>* find_sign(const std::array<Sign<Operation>, N>& signs,
                                 const SelectorToken& token) {
  for (const Sign<Operation>& sign : signs) {
    if (token.is_symbol(sign.symbol)) return &sign;
  }
  return nullptr;
}

// SelectorParser goes down the grammar, a function for each rule, and emits the program on the way.
//
// Invariant: the first error counts. Behind it there are only kFailed, false and kError tokens.
class SelectorParser {
 public:
  // Requires: UTF-8.
  explicit SelectorParser(std::string_view text) : reader_(text), builder_(reader_, text.size()) {}

  Result<SelectorProgram> parse();

 private:
  using Rule = Operand (SelectorParser::*)();

  // Each stands behind what it parses.
  Operand parse_or() {
    return parse_logic("OR", SelectorOp::kSkipIfTrue, SelectorOp::kOr, &SelectorParser::parse_and);
  }
  Operand parse_and() {
    return parse_logic("AND", SelectorOp::kSkipIfFalse, SelectorOp::kAnd,
                       &SelectorParser::parse_not);
  }
  Operand parse_logic(std::string_view keyword, SelectorOp skip, SelectorOp op, Rule rule);
  Operand parse_not();
  Operand parse_predicate();
  bool parse_comparison(const Operand& left, Comparison comparison);
  bool parse_between(const Operand& left);
  bool parse_in(const Operand& left);
  bool parse_list_item(const Operand& left);
  bool parse_like(const Operand& left);
  bool parse_escape(std::string& escape);
  bool parse_is_null(const Operand& left);
  Operand parse_sum() { return parse_arithmetic(kSums, &SelectorParser::parse_product); }
  Operand parse_product() { return parse_arithmetic(kProducts, &SelectorParser::parse_signed); }
  Operand parse_arithmetic(const std::array<Sign<Arithmetic>, 2>& signs, Rule rule);
  Operand parse_signed();
  Operand parse_primary();
  Operand parse_in_parentheses(size_t at);
  Operand parse_name();
  Operand parse_path();
  bool parse_number_literal(SelectorValue& value);

  bool want_depth();

  SelectorReader reader_;
  SelectorBuilder builder_;
  size_t depth_ = 0;
};

Result<SelectorProgram> SelectorParser::parse() {
  if (reader_.token().kind == Kind::kEnd) {
    reader_.fail(0, "it is empty: leave it out to get every message");
  }
  if (builder_.want_condition(parse_or()) && reader_.token().kind != Kind::kEnd) {
    reader_.fail_expected("an operator, AND, OR or the end");
  }
  if (reader_.has_failed()) return std::unexpected(reader_.error());
  return builder_.take();
}

Operand SelectorParser::parse_logic(std::string_view keyword, SelectorOp skip, SelectorOp op,
                                    Rule rule) {
  Operand left = (this->*rule)();
  while (reader_.token().is_keyword(keyword)) {
    if (!builder_.want_condition(left)) return {};
    const size_t skip_at = builder_.emit_skip(skip);
    reader_.advance();
    if (!builder_.want_condition((this->*rule)()) || !builder_.emit(op)) return {};
    builder_.end_skip(skip_at);
    left.shape = Shape::kBoolean;
  }
  return left;
}

Operand SelectorParser::parse_not() {
  const size_t at = reader_.token().at;
  if (!reader_.take_keyword("NOT")) return parse_predicate();
  if (!want_depth()) return {};
  const Operand operand = parse_not();
  --depth_;
  if (!builder_.want_condition(operand) || !builder_.emit(SelectorOp::kNot)) return {};
  return {Shape::kBoolean, at};
}

Operand SelectorParser::parse_predicate() {
  const Operand left = parse_sum();
  if (left.has_failed()) return {};
  bool is_parsed = false;
  if (const auto* sign = find_sign(kComparisons, reader_.token())) {
    reader_.advance();
    is_parsed = parse_comparison(left, sign->operation);
  } else if (reader_.take_keyword("IS")) {
    is_parsed = parse_is_null(left);
  } else {
    const bool is_negated = reader_.take_keyword("NOT");
    if (reader_.take_keyword("BETWEEN")) {
      is_parsed = parse_between(left);
    } else if (reader_.take_keyword("IN")) {
      is_parsed = parse_in(left);
    } else if (reader_.take_keyword("LIKE")) {
      is_parsed = parse_like(left);
    } else if (is_negated) {
      reader_.fail_expected("BETWEEN, IN or LIKE");
    } else {
      return left;
    }
    if (is_parsed && is_negated) is_parsed = builder_.emit(SelectorOp::kNot);
  }
  return is_parsed ? Operand{Shape::kBoolean, left.at} : Operand{};
}

bool SelectorParser::parse_comparison(const Operand& left, Comparison comparison) {
  const Operand right = parse_sum();
  if (right.has_failed() || !builder_.want_comparable(left, right)) return false;
  if (comparison != Comparison::kEqual && comparison != Comparison::kNotEqual &&
      (!builder_.want_ordered(left) || !builder_.want_ordered(right))) {
    return false;
  }
  return builder_.emit(SelectorOp::kCompare, static_cast<uint32_t>(comparison));
}

bool SelectorParser::parse_between(const Operand& left) {
  const Operand low = parse_sum();
  if (low.has_failed()) return false;
  if (!reader_.take_keyword("AND")) {
    return reader_.fail_expected("AND and the upper bound of BETWEEN");
  }
  const Operand high = parse_sum();
  if (high.has_failed()) return false;
  return builder_.want_ordered(left) && builder_.want_ordered(low) && builder_.want_ordered(high) &&
         builder_.want_comparable(left, low) && builder_.want_comparable(left, high) &&
         builder_.want_comparable(low, high) && builder_.emit(SelectorOp::kBetween);
}

bool SelectorParser::parse_in(const Operand& left) {
  if (!builder_.want_ordered(left)) return false;
  if (!reader_.take_symbol("(")) return reader_.fail_expected("'(' and a list");
  const size_t list = builder_.emit_list();
  do {
    if (!parse_list_item(left)) return false;
  } while (reader_.take_symbol(","));
  builder_.end_list(list);
  return reader_.take_symbol(")") || reader_.fail_expected("',' or ')'");
}

bool SelectorParser::parse_list_item(const Operand& left) {
  const Operand item = {reader_.token().kind == Kind::kString ? Shape::kString : Shape::kNumber,
                        reader_.token().at};
  SelectorValue value = SelectorValue::null();
  if (reader_.token().kind == Kind::kString) {
    value = SelectorValue::string(builder_.keep(SelectorReader::text_of(reader_.token())));
  } else {
    const bool is_negative = reader_.take_symbol("-");
    if (!is_negative) reader_.take_symbol("+");
    if (reader_.token().kind != Kind::kInteger && reader_.token().kind != Kind::kNumber) {
      return reader_.fail_expected("a string or a number");
    }
    if (!parse_number_literal(value)) return false;
    if (is_negative) value = negate(value);
  }
  if (!builder_.want_comparable(left, item)) return false;
  reader_.advance();
  return builder_.emit(SelectorOp::kConstant, value);
}

bool SelectorParser::parse_like(const Operand& left) {
  if (left.shape != Shape::kAny && left.shape != Shape::kString) {
    return reader_.fail(left.at, "LIKE looks at text, not at " + std::string(left.shape_name()));
  }
  if (reader_.token().kind != Kind::kString) {
    return reader_.fail_expected("a pattern in single quotes");
  }
  const SelectorToken pattern = reader_.token();
  reader_.advance();
  std::string escape;
  if (reader_.take_keyword("ESCAPE") && !parse_escape(escape)) return false;
  const auto encoded = encode_like(SelectorReader::text_of(pattern), escape);
  if (!encoded) return reader_.fail(pattern.at, "the pattern " + encoded.error());
  return builder_.emit(SelectorOp::kLike, SelectorValue::string(builder_.keep(*encoded)));
}

bool SelectorParser::parse_escape(std::string& escape) {
  if (reader_.token().kind == Kind::kString) escape = SelectorReader::text_of(reader_.token());
  if (escape.empty() || !std::all_of(escape.begin() + 1, escape.end(), is_continuation)) {
    return reader_.fail_expected("one character in single quotes");
  }
  reader_.advance();
  return true;
}

bool SelectorParser::parse_is_null(const Operand& left) {
  const bool is_negated = reader_.take_keyword("NOT");
  if (!reader_.take_keyword("NULL")) {
    return reader_.fail_expected(is_negated ? "NULL" : "NULL or NOT NULL");
  }
  if (left.shape != Shape::kAny) {
    return reader_.fail(
        left.at, "IS NULL looks at a header or a path, not at " + std::string(left.shape_name()));
  }
  return builder_.emit(SelectorOp::kIsNull) && (!is_negated || builder_.emit(SelectorOp::kNot));
}

Operand SelectorParser::parse_arithmetic(const std::array<Sign<Arithmetic>, 2>& signs, Rule rule) {
  Operand left = (this->*rule)();
  while (const auto* sign = find_sign(signs, reader_.token())) {
    if (!builder_.want_number(left)) return {};
    reader_.advance();
    if (!builder_.want_number((this->*rule)())) return {};
    if (!builder_.emit(SelectorOp::kCalculate, static_cast<uint32_t>(sign->operation))) return {};
    left.shape = Shape::kNumber;
  }
  return left;
}

Operand SelectorParser::parse_signed() {
  const size_t at = reader_.token().at;
  const bool is_negative = reader_.token().is_symbol("-");
  if (!is_negative && !reader_.token().is_symbol("+")) return parse_primary();
  if (!want_depth()) return {};
  reader_.advance();
  const size_t begin = builder_.size();
  const Operand operand = parse_signed();
  --depth_;
  if (!builder_.want_number(operand) || !builder_.emit_sign(is_negative, begin)) return {};
  return {Shape::kNumber, at};
}

Operand SelectorParser::parse_primary() {
  const SelectorToken token = reader_.token();
  switch (token.kind) {
    case Kind::kName:
    case Kind::kQuotedName:
      return parse_name();
    case Kind::kString: {
      const auto text = SelectorValue::string(builder_.keep(SelectorReader::text_of(token)));
      reader_.advance();
      return builder_.emit(SelectorOp::kConstant, text) ? Operand{Shape::kString, token.at}
                                                        : Operand{};
    }
    case Kind::kInteger:
    case Kind::kNumber: {
      SelectorValue value = SelectorValue::null();
      if (!parse_number_literal(value)) return {};
      reader_.advance();
      return builder_.emit(SelectorOp::kConstant, value) ? Operand{Shape::kNumber, token.at}
                                                         : Operand{};
    }
    default:
      break;
  }
  if (reader_.take_symbol("(")) return parse_in_parentheses(token.at);
  const bool is_true = reader_.take_keyword("TRUE");
  if (is_true || reader_.take_keyword("FALSE")) {
    const bool is_emitted = builder_.emit(SelectorOp::kConstant, SelectorValue::of(is_true));
    return is_emitted ? Operand{Shape::kBoolean, token.at} : Operand{};
  }
  if (token.is_keyword("NULL")) {
    reader_.fail(token.at, "nothing compares with NULL: write IS NULL or IS NOT NULL");
  } else {
    reader_.fail_expected("a value");
  }
  return {};
}

// Requires: the token is the first one behind the parenthesis.
Operand SelectorParser::parse_in_parentheses(size_t at) {
  if (!want_depth()) return {};
  const Operand inner = parse_or();
  --depth_;
  if (inner.has_failed()) return {};
  if (!reader_.take_symbol(")")) {
    reader_.fail_expected("an operator, AND, OR or ')'");
    return {};
  }
  return {inner.shape, at};
}

Operand SelectorParser::parse_name() {
  const SelectorToken token = reader_.token();
  const bool is_quoted = token.kind == Kind::kQuotedName;
  if (!is_quoted && token.text == "body") return parse_path();
  if (reader_.is_at('.') || reader_.is_at('[')) {
    reader_.fail(token.at, "only body has a path: a header with such a name goes in double quotes");
    return {};
  }
  reader_.advance();
  if (reader_.token().is_symbol("(")) {
    reader_.fail(token.at, "there are no functions in a selector");
    return {};
  }
  if (reader_.token().kind == Kind::kString && (token.text == "XPATH" || token.text == "XQUERY")) {
    reader_.fail(token.at, "there is no XPath: the path of a JSON body is written body.name");
    return {};
  }
  const std::string text = SelectorReader::text_of(token);
  const auto name = is_quoted ? find_header(text) : find_unquoted_name(text);
  if (!name) {
    reader_.fail(token.at, name.error());
    return {};
  }
  const auto header = SelectorValue::string(builder_.keep(name->header));
  return builder_.emit(name->op, header) ? Operand{Shape::kAny, token.at} : Operand{};
}

Operand SelectorParser::parse_path() {
  const size_t at = reader_.token().at;
  JsonPath path;
  SelectorToken step = reader_.next_step();
  for (; step.kind != Kind::kEnd; step = reader_.next_step()) {
    if (step.kind == Kind::kError) return {};
    JsonStep& made = path.emplace_back();
    if (step.kind == Kind::kInteger) {
      made.is_index = true;
      std::from_chars(step.text.data(), step.text.data() + step.text.size(), made.index);
    } else {
      made.key = builder_.keep(SelectorReader::text_of(step));
    }
  }
  reader_.advance();
  return builder_.emit_path(std::move(path)) ? Operand{Shape::kAny, at} : Operand{};
}

// Requires: the token is a number.
bool SelectorParser::parse_number_literal(SelectorValue& value) {
  value = parse_number(reader_.token().text);
  if (reader_.token().kind == Kind::kInteger && !value.is_integer()) {
    return reader_.fail(reader_.token().at, "this number does not fit into 64 bits");
  }
  if (value.is_null()) {
    return reader_.fail(reader_.token().at, "this number does not fit into a double");
  }
  if (reader_.token().kind == Kind::kNumber) value = SelectorValue::of(value.number());
  return true;
}

// What is nested counts itself out again.
bool SelectorParser::want_depth() {
  if (++depth_ <= Options::selector_depth_max) return true;
  return reader_.fail(reader_.token().at, "more than " +
                                              std::to_string(Options::selector_depth_max) +
                                              " parentheses, NOTs and signs are nested here");
}

}  // namespace

Result<SelectorProgram> parse_selector(std::string_view text, const Options& options) {
  if (text.size() > options.selector_bytes_max) {
    return std::unexpected("the selector has " + std::to_string(text.size()) +
                           " octets, and --max-selector-length allows " +
                           std::to_string(options.selector_bytes_max));
  }
  if (!proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(text.data()), text.size()})) {
    return std::unexpected("the selector is not UTF-8");
  }
  return SelectorParser(text).parse();
}

}  // namespace stampede::core
