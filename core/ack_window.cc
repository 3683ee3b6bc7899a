#include "core/ack_window.h"

#include <algorithm>
#include <charconv>

#include "core/destination_name.h"
#include "proto/base/check.h"
#include "proto/stomp_encoder.h"

namespace stampede::core {

void AckWindow::add(uint64_t tag, uint64_t id_hash, size_t bytes) {
  DCHECK(size() == 0 || entries_.back().tag < tag);
  entries_.push_back({tag, id_hash, bytes, order_ == nullptr ? 0 : ++order_->last});
  bytes_ += bytes;
}

size_t AckWindow::find(uint64_t tag) const {
  const auto begin = entries_.begin() + static_cast<ptrdiff_t>(first_);
  const auto found = std::lower_bound(begin, entries_.end(), tag,
                                      [](const Entry& entry, uint64_t t) { return entry.tag < t; });
  const bool is_there = found != entries_.end() && found->tag == tag;
  return is_there ? static_cast<size_t>(found - entries_.begin()) : entries_.size();
}

std::optional<uint64_t> AckWindow::find_id(uint64_t id_hash) const {
  for (size_t index = first_; index < entries_.size(); ++index) {
    if (entries_[index].id_hash == id_hash) return entries_[index].tag;
  }
  return std::nullopt;
}

std::optional<uint64_t> AckWindow::last_up_to(uint64_t place) const {
  for (size_t index = entries_.size(); index-- > first_;) {
    if (entries_[index].place <= place) return entries_[index].tag;
  }
  return std::nullopt;
}

void AckWindow::settle(uint64_t tag) {
  const size_t index = find(tag);
  DCHECK(index < entries_.size());
  if (!is_cumulative() && index != first_) {
    bytes_ -= entries_[index].bytes;
    entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(index));
    return;
  }
  for (; first_ <= index; ++first_) bytes_ -= entries_[first_].bytes;
  if (first_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(first_));
  first_ = 0;
}

uint64_t hash_message_id(std::string_view message_id, uint64_t seed) {
  if (message_id.find_first_of("\r\n") == message_id.npos) return hash_text(message_id, seed);
  // 1.1 writes a line feed as it is, 1.0 does not: one key serves both.
  std::string shown(message_id);
  std::ranges::replace_if(
      shown, [](char octet) { return octet == '\r' || octet == '\n'; }, proto::kInexpressible);
  return hash_text(shown, seed);
}

char* put_ack_id(char* at, const AckId& id) {
  char* const end = at + kAckIdBytesMax;
  at = std::to_chars(at, end, id.tag).ptr;
  *at++ = '-';
  return std::to_chars(at, end, id.token, 36).ptr;
}

std::optional<AckId> parse_ack_id(std::string_view text) {
  AckId id = {0, 0};
  const char* const end = text.data() + text.size();
  const auto tag = std::from_chars(text.data(), end, id.tag);
  if (tag.ec != std::errc() || tag.ptr == end || *tag.ptr != '-') return std::nullopt;
  const auto token = std::from_chars(tag.ptr + 1, end, id.token, 36);
  if (token.ec != std::errc() || token.ptr != end) return std::nullopt;
  return id;
}

}  // namespace stampede::core
