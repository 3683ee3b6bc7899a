#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/shard_types.h"
#include "proto/stomp_frame.h"
#include "proto/stomp_types.h"

namespace stampede::core {

// The client that sent a message.
struct MessageOrigin {
  ShardId shard = 0;
  ClientRef client = {};
  friend bool operator==(const MessageOrigin&, const MessageOrigin&) = default;
};

// True for headers that the broker makes itself, or keeps to itself.
[[nodiscard]] bool is_header_of_broker(std::string_view name);

// What a SEND does to its topic's last value, besides being published.
enum class Retain : uint8_t { kNo, kSet, kRemove };

// What the owner goes by, as the sender asked for it: of queues, but for `retain`.
struct MessageProperties {
  Millis expires_at = kNever;  // dropped, or dead-lettered, once that has passed
  Millis due_at = 0;           // handed to nobody before
  uint8_t priority = 4;        // 0 to 9, as JMS has them; 9 goes first
  bool has_group = false;      // Message::group() is not empty
  bool is_for_queue = false;   // the destination is a queue
  bool is_temporary = false;   // the destination is of one connection, and dropped with it

  Retain retain = Retain::kNo;  // of topics
};

// Message is published content: destination, headers and body of one SEND, in one allocation. Its
// route is the name by which shards, tables and queues know where it goes; nearly always that is
// the destination itself, and then it costs nothing.
//
// Owns:      its octets; the body is followed by a NUL, so that body and NUL can be sent as one
// piece. Thread:    made on the sender's home shard, numbered on the owner shard (set_number,
// before
//            anybody else holds a reference), then read by any shard and never written again but
//            for its count.
// Lifetime:  counted; the last drop_reference(), on whatever shard, frees it.
class Message {
 public:
  struct Content {
    std::string_view destination;  // what subscribers read
    std::string_view route = {};   // empty: the destination
    std::string_view message_id;   // the client's own; empty if it gave none
    std::span<const proto::StompHeader> headers;
    std::span<const uint8_t> body;
    MessageOrigin origin;  // who sent it
    MessageProperties properties = {};
    uint32_t count_ticket = 0;  // the sender's RECEIPT that says how many subscriptions it was for
    // What who made the content knows of it already; false: create() looks.
    bool is_known_plain = false;  // destination, id, names and values are is_plain_header_text()
    bool is_known_utf8 = false;   // all of it is UTF-8
  };

  // Copies `content` but for the headers that are not the subscribers' business (receipt,
  // transaction and those that the broker makes itself). One reference is the caller's.
  [[nodiscard]] static Message* create(const Content& content, uint64_t route_hash);

  // relaxed is enough to add: whoever adds holds a reference already.
  void add_references(uint32_t count) { references_.fetch_add(count, std::memory_order_relaxed); }
  void drop_reference();

  // How many there are, of all shards. Release builds do not count and give 0.
  [[nodiscard]] static int64_t live_count();
#ifdef NDEBUG
  static constexpr bool is_counted = false;
#else
  static constexpr bool is_counted = true;
#endif

  // Requires: the only reference is the caller's.
  void set_number(uint64_t sequence, std::string_view made_id);

  [[nodiscard]] const MessageOrigin& origin() const { return origin_; }
  [[nodiscard]] uint64_t route_hash() const { return route_hash_; }
  [[nodiscard]] uint64_t sequence() const { return sequence_; }
  // 0: nobody wants to know how many subscriptions it is for.
  [[nodiscard]] uint32_t count_ticket() const { return count_ticket_; }
  [[nodiscard]] const MessageProperties& properties() const { return properties_; }
  [[nodiscard]] std::string_view destination() const { return {text(), destination_size_}; }
  [[nodiscard]] std::string_view route() const {
    return route_size_ == 0 ? destination() : std::string_view(route_text(), route_size_);
  }
  // The client's id, or the one that the owner made.
  [[nodiscard]] std::string_view message_id() const;
  // The incarnation of the destination in which sequence() counts. Empty before set_number().
  [[nodiscard]] std::string_view epoch() const;
  [[nodiscard]] std::string_view client_message_id() const {
    return {text() + destination_size_, client_id_size_};
  }
  [[nodiscard]] std::span<const uint8_t> body() const;
  // Body and the NUL behind it.
  [[nodiscard]] std::span<const uint8_t> body_and_nul() const;
  // True if destination, id, the headers that were copied and body are valid UTF-8, so that a
  // WebSocket text message may carry them.
  [[nodiscard]] bool is_utf8() const { return is_utf8_; }

  // Calls visit(name, value) for each header that is passed on, unescaped, in their order.
  template <typename Visit>
  void for_each_header(Visit&& visit) const;
  // The first of that name that is passed on. O(headers).
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // Messages of one group go to one consumer of a queue; empty: of none.
  [[nodiscard]] std::string_view group() const;

  // Appends to `out` what a MESSAGE has between its `subscription` header and its body, the blank
  // line included, in the escaping of `version`. Gives how many headers had to be left out because
  // that version cannot express them; message-id and destination never are.
  size_t append_headers(std::string& out, proto::StompVersion version) const;

  [[nodiscard]] size_t memory_bytes() const { return sizeof(Message) + text_bytes(); }

 private:
  Message() = default;
  ~Message() = default;
  [[nodiscard]] const char* headers() const { return text() + destination_size_ + client_id_size_; }
  static std::string_view take_counted(const char*& at);
  [[nodiscard]] const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] bool has_utf8_text() const;
  [[nodiscard]] const char* route_text() const {
    return headers() + headers_size_ + body_size_ + 1;
  }
  [[nodiscard]] size_t text_bytes() const {
    return size_t{destination_size_} + client_id_size_ + headers_size_ + body_size_ + 1 +
           route_size_;
  }

  static constexpr size_t kMadeIdBytesMax = 40;

  std::atomic<uint32_t> references_ = 1;
  uint32_t destination_size_ = 0;
  uint64_t route_hash_ = 0;
  uint64_t sequence_ = 0;
  MessageOrigin origin_;
  uint32_t route_size_ = 0;  // 0: the destination is the route
  MessageProperties properties_;
  uint32_t count_ticket_ = 0;
  uint32_t client_id_size_ = 0;
  uint32_t headers_size_ = 0;
  uint32_t body_size_ = 0;
  uint8_t made_id_size_ = 0;
  bool is_utf8_ = false;
  // No text needs an escape in any version, and headers_ are kept as the lines that go out.
  // Otherwise headers_ are kept as pairs of counted strings and escaped for each version.
  bool is_plain_ = false;
  char made_id_[kMadeIdBytesMax] = {};
  // Behind the object: destination, client id, headers, body, NUL, route.
};
static_assert(sizeof(Message) <= 128);

inline std::string_view Message::take_counted(const char*& at) {
  uint32_t size = 0;
  std::memcpy(&size, at, sizeof size);
  const std::string_view text(at + sizeof size, size);
  at += sizeof size + size;
  return text;
}

template <typename Visit>
void Message::for_each_header(Visit&& visit) const {
  const char* at = headers();
  const char* const end = at + headers_size_;
  while (at != end) {
    if (is_plain_) {
      // name:value\n, and neither has one of these.
      const std::string_view left(at, static_cast<size_t>(end - at));
      const size_t colon = left.find(':');
      const size_t line_end = left.find('\n', colon);
      visit(left.substr(0, colon), left.substr(colon + 1, line_end - colon - 1));
      at += line_end + 1;
    } else {
      const std::string_view name = take_counted(at);
      visit(name, take_counted(at));
    }
  }
}

}  // namespace stampede::core
