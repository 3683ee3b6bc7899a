#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/stomp_parser.h"
#include "proto/stomp_types.h"

namespace stampede::tests {

// What a parser made of an input: the frames, then perhaps the error that ended it.
struct ParsedFrame {
  std::string command;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool operator==(const ParsedFrame&) const = default;
};

struct ParseOutcome {
  std::vector<ParsedFrame> frames;
  proto::StompError error = proto::StompError::kNone;
  std::optional<std::string> receipt;
  bool operator==(const ParseOutcome&) const = default;
};

// The slow twin of StompParser: the rules of STOMP and our limits, one octet at a time, with no
// thought for speed or memory. It shares no code with the parser but for the types.
class ReferenceStompParser {
 public:
  ReferenceStompParser(proto::StompVersion version, const proto::StompLimits& limits)
      : version_(version), limits_(limits) {}

  ParseOutcome parse(std::span<const uint8_t> input) {
    for (const uint8_t octet : input) {
      take(static_cast<char>(octet));
      if (outcome_.error != Error::kNone) {
        for (const auto& [name, value] : frame_.headers) {
          if (name == "receipt" && !outcome_.receipt) outcome_.receipt = value;
        }
        break;
      }
    }
    return std::move(outcome_);
  }

 private:
  using Error = proto::StompError;
  using Version = proto::StompVersion;
  enum class At { kBorder, kCommand, kHeaders, kBody };

  void fail(Error error) { outcome_.error = error; }

  void take(char octet) {
    if (at_ == At::kBorder) {
      if (carriage_return_ && octet != '\n') return fail(Error::kMalformedFrame);
      carriage_return_ = octet == '\r';
      if (octet == '\r' || octet == '\n') return;
      at_ = At::kCommand;
      frame_ = {};
      line_.clear();
      frame_bytes_ = header_bytes_ = 0;
      length_.reset();
    }
    if (++frame_bytes_ > limits_.frame_bytes_max) return fail(Error::kFrameTooLarge);
    if (at_ == At::kBody) return take_body(octet);
    if (octet == '\0') return fail(Error::kMalformedFrame);
    if (at_ == At::kCommand) return take_command(octet);
    take_header(octet);
  }

  static bool connects(std::string_view command) {
    return command == "CONNECT" || command == "STOMP";
  }

  // A CR one above the limit is let pass until the next octet shows whether it ended the line.
  static bool too_long(std::string_view line, size_t max, bool cr_lf) {
    if (line.size() == max + 1 && line.back() == '\r' && cr_lf) return false;
    return line.size() > max;
  }

  static std::string_view without_carriage_return(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  void take_command(char octet) {
    if (octet != '\n') {
      line_ += octet;
      const bool ends = version_ == Version::k12 || connects(without_carriage_return(line_));
      if (too_long(line_, limits_.command_bytes_max, ends)) fail(Error::kUnknownCommand);
      return;
    }
    frame_.command = line_;
    if (version_ == Version::k12 || connects(without_carriage_return(line_))) {
      frame_.command = without_carriage_return(line_);
    }
    connect_ = connects(frame_.command);
    cr_lf_ = connect_ || version_ == Version::k12;
    line_.clear();
    at_ = At::kHeaders;
  }

  void take_header(char octet) {
    if (octet != '\n') {
      line_ += octet;
      if (line_ == "\r" && cr_lf_) return;  // may be the blank line
      if (frame_.headers.size() == limits_.headers_max) return fail(Error::kTooManyHeaders);
      if (header_bytes_ + line_.size() > limits_.header_total_bytes_max ||
          too_long(line_, limits_.header_line_bytes_max, cr_lf_)) {
        fail(Error::kHeaderTooLong);
      }
      return;
    }
    const std::string line(cr_lf_ ? without_carriage_return(line_) : line_);
    if (line.empty()) return end_headers();
    header_bytes_ += line_.size() + 1;
    if (header_bytes_ > limits_.header_total_bytes_max) return fail(Error::kHeaderTooLong);
    line_.clear();
    take_header_line(line);
  }

  void take_header_line(const std::string& line) {
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0) return fail(Error::kMalformedHeader);
    std::string name = line.substr(0, colon);
    std::string value = line.substr(colon + 1);
    const bool literal = connect_ || frame_.command == "CONNECTED";
    if (version_ == Version::k10 && !literal && value.starts_with(' ')) value.erase(0, 1);
    if (version_ != Version::k10 && !literal && !(unescape(name) && unescape(value))) {
      return fail(Error::kBadEscape);
    }
    if (name == "content-length" && !length_) {
      uint64_t length = 0;
      for (const char digit : value) {
        if (digit < '0' || digit > '9') return fail(Error::kMalformedContentLength);
        const auto unit = static_cast<uint64_t>(digit - '0');
        if (length > (UINT64_MAX - unit) / 10) return fail(Error::kMalformedContentLength);
        length = length * 10 + unit;
      }
      if (value.empty()) return fail(Error::kMalformedContentLength);
      length_ = length;
    }
    frame_.headers.emplace_back(std::move(name), std::move(value));
  }

  bool unescape(std::string& text) const {
    std::string plain;
    for (size_t at = 0; at < text.size(); ++at) {
      if (text[at] != '\\') {
        plain += text[at];
        continue;
      }
      if (++at == text.size()) return false;
      if (text[at] == 'n') {
        plain += '\n';
      } else if (text[at] == 'c') {
        plain += ':';
      } else if (text[at] == '\\') {
        plain += '\\';
      } else if (text[at] == 'r' && version_ == Version::k12) {
        plain += '\r';
      } else {
        return false;
      }
    }
    text = plain;
    return true;
  }

  // A command that only a server sends, or nobody, may have a body: it is refused by its name.
  bool body_is_refused() const {
    if (connect_) return true;
    const proto::StompCommand command = proto::stomp_command(frame_.command);
    return version_ != Version::k10 && command != proto::StompCommand::kSend &&
           command != proto::StompCommand::kUnknown;
  }

  void end_headers() {
    at_ = At::kBody;
    if (!length_) return;
    // In 128 bits, where no sum of these overflows.
    const auto total = static_cast<unsigned __int128>(frame_bytes_) + *length_ + 1;
    if (total > limits_.frame_bytes_max) return fail(Error::kFrameTooLarge);
    if (*length_ > 0 && body_is_refused()) fail(Error::kMalformedFrame);
  }

  void take_body(char octet) {
    const bool ends = length_ ? frame_.body.size() == *length_ : octet == '\0';
    if (!ends) {
      if (body_is_refused()) return fail(Error::kMalformedFrame);
      frame_.body += octet;
      return;
    }
    if (octet != '\0') return fail(Error::kMalformedFrame);
    const proto::StompCommand command = proto::stomp_command(frame_.command);
    if (command != proto::StompCommand::kSend && command != proto::StompCommand::kUnknown) {
      frame_.body.clear();
    }
    outcome_.frames.push_back(std::move(frame_));
    frame_ = {};
    at_ = At::kBorder;
  }

  const Version version_;
  const proto::StompLimits limits_;
  ParseOutcome outcome_;
  ParsedFrame frame_;
  At at_ = At::kBorder;
  std::string line_;
  bool carriage_return_ = false;
  bool connect_ = false;
  bool cr_lf_ = false;
  size_t frame_bytes_ = 0;
  size_t header_bytes_ = 0;
  std::optional<uint64_t> length_;
};

}  // namespace stampede::tests
