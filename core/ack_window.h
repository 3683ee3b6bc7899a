#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stampede::core {

// STOMP 1.2, "SUBSCRIBE ack Header".
enum class AckMode : uint8_t { kAuto, kClient, kClientIndividual };

// How much may be delivered to a subscription before the client settles some of it. One message
// always goes, however large.
struct AckCredit {
  uint32_t messages = 1;
  size_t bytes = SIZE_MAX;  // of MESSAGE bodies on queues, of whole frames on topics
};

// The order in which subscriptions of one id, which are those of a composite destination, were
// given their messages. Who acknowledges cumulatively knows no other.
struct AckOrder {
  uint64_t last = 0;
};

// AckWindow is what one subscription in a client mode was given and has not settled yet.
//
// Owns:      an entry for each such delivery, at most as many as the credit allows.
// Thread:    home shard.
// Invariant: entries are in the order of delivery, in which tags grow.
class AckWindow {
 public:
  AckWindow(AckMode mode, AckCredit credit, std::shared_ptr<AckOrder> order = nullptr)
      : mode_(mode), credit_(credit), order_(std::move(order)) {}

  // `id_hash`: hash_message_id(), by which STOMP 1.0 and 1.1 acknowledge.
  void add(uint64_t tag, uint64_t id_hash, size_t bytes);
  // What may still be delivered.
  struct Room {
    size_t messages;
    size_t bytes;
    bool is_empty;  // nothing is unsettled: one goes, whatever its size
    [[nodiscard]] bool takes_one() const { return messages > 0 && (bytes > 0 || is_empty); }
    void take(size_t size) {
      --messages;
      bytes -= size < bytes ? size : bytes;
      is_empty = false;
    }
  };
  [[nodiscard]] Room room() const {
    return {.messages = credit_.messages - std::min<size_t>(size(), credit_.messages),
            .bytes = credit_.bytes - std::min(bytes_, credit_.bytes),
            .is_empty = size() == 0};
  }
  [[nodiscard]] bool has_room() const { return room().takes_one(); }
  [[nodiscard]] bool has(uint64_t tag) const { return find(tag) != entries_.size(); }
  // The tag of the oldest that has this message-id. O(entries).
  [[nodiscard]] std::optional<uint64_t> find_id(uint64_t id_hash) const;
  // With others whose deliveries a cumulative acknowledgement covers too.
  [[nodiscard]] bool is_settled_with_others() const { return is_cumulative() && order_ != nullptr; }
  [[nodiscard]] bool is_settled_with(const AckWindow& other) const {
    return order_ == other.order_ && is_settled_with_others();
  }
  // The place of the delivery in the order that they share. Requires: has(tag).
  [[nodiscard]] uint64_t place_of(uint64_t tag) const { return entries_[find(tag)].place; }
  // The tag of the last delivery up to that place. O(entries).
  [[nodiscard]] std::optional<uint64_t> last_up_to(uint64_t place) const;
  // In client mode all up to the tag (STOMP 1.2, "ACK": cumulative), else that one. Requires:
  // has(tag).
  void settle(uint64_t tag);

  [[nodiscard]] size_t size() const { return entries_.size() - first_; }
  [[nodiscard]] AckMode mode() const { return mode_; }
  [[nodiscard]] bool is_cumulative() const { return mode_ == AckMode::kClient; }

 private:
  struct Entry {
    uint64_t tag;
    uint64_t id_hash;
    size_t bytes;
    uint64_t place;  // in order_
  };
  // Its index, or entries_.size().
  [[nodiscard]] size_t find(uint64_t tag) const;

  const AckMode mode_;
  const AckCredit credit_;
  const std::shared_ptr<AckOrder> order_;  // null: no other shares one
  std::vector<Entry> entries_;
  size_t first_ = 0;  // entries before it are settled; they are removed many at a time
  size_t bytes_ = 0;
};

// What a message-id goes by in 1.0 and 1.1: a hash of it as those versions are shown it, or as they
// repeat it in an ACK, which is the same (see proto::append_required_header).
[[nodiscard]] uint64_t hash_message_id(std::string_view message_id, uint64_t seed);

// The `ack` header of a MESSAGE: which delivery of which subscription. Letters, digits and a hyphen
// only, as not every client escapes what it sends back.
struct AckId {
  uint64_t tag;
  uint64_t token;  // of the subscription, unique in its session
};
inline constexpr size_t kAckIdBytesMax = 40;
// Writes it to `at`, which has room for kAckIdBytesMax; gives the end.
char* put_ack_id(char* at, const AckId& id);
[[nodiscard]] std::optional<AckId> parse_ack_id(std::string_view text);

}  // namespace stampede::core
