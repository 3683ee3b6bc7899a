#include "tools/stampede/admin/page_range.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace stampede::tools {
namespace {

std::optional<size_t> whole_number(std::string_view text) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<core::ListRange> page_range(const proto::HttpRequest& request) {
  core::ListRange range = {.offset = 0, .limit = kPageLimit};
  if (const auto text = request.parameter("limit")) {
    const std::optional<size_t> limit = whole_number(*text);
    if (!limit || *limit < 1 || *limit > kPageLimitMax) {
      return std::unexpected("limit is a number from 1 to " + std::to_string(kPageLimitMax));
    }
    range.limit = *limit;
  }
  if (const auto text = request.parameter("offset")) {
    const std::optional<size_t> offset = whole_number(*text);
    if (!offset) return std::unexpected(std::string("offset is a whole number"));
    range.offset = *offset;
  }
  return range;
}

std::vector<core::ListRange> split_range(core::ListRange range,
                                         const std::vector<uint64_t>& sizes) {
  std::vector<core::ListRange> pieces;
  for (const uint64_t size : sizes) {
    const size_t skipped = std::min<size_t>(range.offset, size);
    const size_t taken = std::min<size_t>(range.limit, size - skipped);
    pieces.push_back({.offset = skipped, .limit = taken});
    range.offset -= skipped;
    range.limit -= taken;
  }
  return pieces;
}

}  // namespace stampede::tools
