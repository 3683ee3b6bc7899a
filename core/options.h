#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/keyed_hash.h"
#include "core/shard_types.h"
#include "core/slow_terms.h"

namespace stampede::core {

// What a queue does with one more message when it is full.
enum class QueueFullPolicy : uint8_t {
  kRefuse,      // the SEND fails
  kDropOldest,  // the oldest that no client has is dropped
  kDeadLetter,  // the oldest that no client has goes to the dead letters
};

// What the owner keeps of the destinations that a pattern matches, so that a subscriber can begin
// in the past: the newest messages, within each of the bounds.
struct HistoryRule {
  std::string pattern;      // as in a SUBSCRIBE; may be a name
  size_t messages = 1;      // of one destination
  size_t bytes = SIZE_MAX;  // memory of one destination's messages, headers included
  Millis time_ms = kNever;  // since it was published
};

// Options holds every tunable and limit of the broker's behaviour, each with its default; the flag
// of the same name sets it (frame_bytes_max is --max-frame-size; tools/stampede/flags.cc has the
// table).
//
// Thread:    constant after construction; every shard reads the same object.
// Invariant: a limit is inclusive: reaching it is allowed, one more is not.
struct Options {
  // -- STOMP frames. 256 KiB is four times what Spring allows and leaves room for a stompjs body.
  size_t frame_bytes_max = 256 * 1024;
  // What a stranger may make us hold before CONNECT succeeded.
  size_t frame_bytes_before_connect_max = 16 * 1024;
  size_t headers_max = 64;
  size_t header_line_bytes_max = 8 * 1024;
  size_t header_total_bytes_max = 32 * 1024;

  // -- WebSocket. A message may hold several frames, so it may be larger than one; 0 lets it follow
  // frame_bytes_max, so that who raises that one need not know of this one.
  uint64_t websocket_message_bytes_max = 0;
  uint32_t websocket_fragments_max = 1024;
  size_t http_head_bytes_max = 8 * 1024;
  size_t http_headers_max = 64;
  std::vector<std::string> allowed_origins = {"same-host"};

  // -- Sessions.
  size_t subscriptions_max = 256;  // per connection
  size_t subscription_id_bytes_max = 255;
  size_t destination_bytes_max = 255;
  size_t destination_levels_max = 16;
  // Parts of `/topic/a,/queue/b`. Each is a message or subscription of its own, so one frame may
  // cost so many times what it is.
  size_t composite_destinations_max = 16;
  // Deliveries that wait for ACK, per subscription in a client mode: what who asks for no number
  // gets, which is more than clients acknowledge at a time, and the most that anybody gets.
  uint32_t prefetch_default = 1'000;
  uint32_t prefetch_max = 65'535;
  // Open transactions of a connection, and what one may hold: room for any batch of prices, not for
  // a queue of its own.
  size_t transactions_max = 16;
  size_t transaction_steps_max = 1'000;
  size_t transaction_bytes_max = 4 * 1024 * 1024;
  size_t receipts_pending_max = 4096;  // per connection, receipts that wait for an owner shard

  // -- Selectors. Half a header line leaves room for some hundred words in a list.
  size_t selector_bytes_max = 4 * 1024;
  // A longer body is not parsed and is NULL to a selector. Any body of the default frame size is
  // parsed; it takes 0.2 ms, and a shard keeps about 15 times its size in memory.
  size_t selector_body_bytes_max = 256 * 1024;
  // No flags, as these bound what one look at a message takes. So many steps of it take 5 us, if
  // they ask for headers; a path of a body costs what is on its way there, 0.1 ms at worst.
  static constexpr size_t selector_parts_max = 512;
  // LIKE does not look into a longer string of a body. Twice what a header may have.
  static constexpr size_t selector_like_bytes_max = 16 * 1024;
  // The stack of an evaluation, on that of the thread, is sized by it.
  static constexpr size_t selector_depth_max = 64;

  // -- Deadlines, in milliseconds.
  int64_t http_timeout_ms = 5'000;         // accept to the end of the opening handshake
  int64_t connect_timeout_ms = 10'000;     // handshake (TCP: accept) to CONNECT
  int64_t close_linger_ms = 1'000;         // how long a closing connection may take to leave
  int64_t heart_beat_send_ms = 10'000;     // what we can do
  int64_t heart_beat_receive_ms = 10'000;  // what we want
  int64_t heart_beat_ms_min = 1'000;       // shorter intervals are made as long as this
  // We beat at least so often if we beat at all, and who promises less than that is treated like
  // who promises nothing.
  int64_t heart_beat_ms_max = 300'000;
  double heart_beat_tolerance = 2.0;  // silence of so many intervals is death
  // Silence after which a WebSocket client that promised no beats is pinged, and how long it may
  // then stay silent. Below the 60 s after which nginx and cloud balancers cut a quiet connection.
  int64_t ping_interval_ms = 30'000;  // 0: nobody is pinged
  int64_t ping_timeout_ms = 30'000;

  // -- Outbound. What is done about readers that lag; none: they are disconnected.
  std::vector<SlowConsumerRule> slow_consumer = {};
  // A reader may lag by so much, or be stuck for so long. Lag is looked at when a log
  // begins a chunk, which is every 64 KiB at the latest.
  size_t slow_consumer_bytes = 1024 * 1024;
  int64_t slow_consumer_after_ms = 10'000;
  // If most readers of a topic lag by so much, its publishers are not read from for a while: then
  // it is they who are too fast, not the readers too slow.
  size_t publisher_lead_bytes_max = 256 * 1024;
  size_t send_bytes_max = 64 * 1024;  // one send; 90 % of the gain of batching is there at 32 KiB

  // -- Queues. What waits in one, is delayed or is with a client and not settled.
  size_t queue_messages_max = 100'000;
  size_t queue_bytes_max = 64 * 1024 * 1024;  // memory of its messages, headers included
  QueueFullPolicy queue_full_policy = QueueFullPolicy::kRefuse;  // loses nothing
  // With kRefuse a SEND waits for room, and its publisher is not listened to, until nobody was let
  // in for so long: from a queue that is only slower than its publishers nothing is refused. Long
  // enough for consumers that are busy, and short enough for publishers to hear that there are
  // none.
  Millis queue_full_wait_ms = 3'000;
  // A message that failed so often kills its consumers or is nobody's: it becomes a dead letter.
  uint32_t queue_deliveries_max = 20;

  // -- Last values (`retain:set`) and history. The bounds are of one owner shard; those who were
  // not set, or published to, for longest go first.
  size_t retained_max = 100'000;
  size_t retained_bytes_max = 64 * 1024 * 1024;
  Millis retain_time_ms = 0;  // a last value is forgotten after it; 0: never
  std::vector<HistoryRule> history =
      {};  // the first whose pattern matches counts; none: no history
  size_t history_bytes_max = 256 * 1024 * 1024;
  // Per home shard: what was encoded for who resumes is kept a moment for others who resume.
  size_t replay_bytes_max = 64 * 1024 * 1024;

  // -- Duplicates.
  size_t dedup_window = 65536;  // client-made ids remembered per destination
  int64_t dedup_time_ms = 120'000;

  // -- The node.
  // What all shards may take together; 0: no limit. net sets it to a part of what there is.
  uint64_t memory_limit_bytes = 0;
  size_t destinations_max = 1'000'000;  // per owner shard; the oldest idle ones are forgotten first
  size_t mailbox_slots = 4096;          // per ordered pair of shards; a power of two
  Millis queue_idle_ms = 60'000;        // an empty queue without consumers is forgotten after it
  Millis wall_clock_offset_ms = 0;      // milliseconds since 1970 less the shards' clock
  uint64_t boot_id = 0;                 // random per process, part of every message-id
  HashKey secret = {};  // random per process, told to nobody; keys names that must not be guessed
};

}  // namespace stampede::core
