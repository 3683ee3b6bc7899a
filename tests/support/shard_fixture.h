#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/destination_name.h"
#include "core/mailbox.h"
#include "core/options.h"
#include "core/shard.h"
#include "proto/base/check.h"
#include "proto/http_upgrade.h"
#include "tests/core/server_output.h"
#include "tests/support/ws_client_frames.h"

namespace stampede::tests {

// One connection as net would hold it, and the client at its other end.
struct Peer {
  Peer(uint32_t number, core::ShardId home, core::Transport speaks)
      : handle(number),
        shard(home),
        transport(speaks),
        output(speaks == core::Transport::kWebSocket) {}

  const uint32_t handle;
  const core::ShardId shard;
  const core::Transport transport;
  core::Client* client = nullptr;  // null once released
  ServerOutput output;
  std::string to_broker;  // written by the peer, not yet received

  // -- How it behaves; tests set these.
  bool is_reading = true;        // false: no send of the broker completes
  bool answers_end = true;       // ends its direction when the broker ended the other
  bool answers_pings = true;     // as browsers do, whatever the page is doing; else "ping" is seen
  bool is_release_held = false;  // the kernel is slow to end what an abort left in flight

  // -- What the broker has under way, and did.
  std::vector<core::SendSpan> sending;
  std::string sending_copy;  // what the spans held when they were given
  bool has_operation = false;
  bool is_shutdown = false;
  bool is_aborted = false;
  std::optional<core::CloseReason> close_reason;
  std::string close_detail;
  size_t close_pending_bytes = 0;

  [[nodiscard]] bool is_released() const { return client == nullptr; }
};

// ShardFixture is N shards of the real core in one thread, with a clock of its own, driven as net
// drives them.
//
// Checks at every step: one operation of a connection at a time, none behind a shutdown or abort;
// the octets of a send do not change while it is under way; what is written is well-formed
// (ServerOutput).
class ShardFixture : private core::ShardObserver {
 public:
  explicit ShardFixture(core::ShardId shards = 1, const core::Options& options = {})
      : options_(options),
        upgrade_{.paths = {"/stomp"},
                 .head_bytes_max = options.http_head_bytes_max,
                 .headers_max = options.http_headers_max,
                 .allowed_origins = options.allowed_origins},
        mailboxes_(shards, options.mailbox_slots),
        memory_(options.memory_limit_bytes, shards) {
    core::ShardObserver& observer = *this;
    for (core::ShardId id = 0; id < shards; ++id) {
      shards_.push_back(
          std::make_unique<core::Shard>(id, shards, options_, mailboxes_, observer, &memory_));
    }
  }
  ~ShardFixture() override = default;

  // -- Connecting.
  Peer& tcp(core::ShardId shard = 0) { return open(shard, core::Transport::kTcp); }
  // The opening handshake is done; its answer is taken.
  Peer& ws(core::ShardId shard = 0) {
    Peer& peer = open(shard, core::Transport::kWebSocket);
    send_raw(peer, kHandshake);
    CHECK(received(peer) == "HTTP 101");
    return peer;
  }
  // Connected with STOMP 1.2; CONNECTED is taken.
  Peer& connected(core::Transport transport = core::Transport::kTcp, core::ShardId shard = 0,
                  std::string_view version = "1.2", std::string_view headers = "") {
    Peer& peer = transport == core::Transport::kTcp ? tcp(shard) : ws(shard);
    send(peer,
         "CONNECT\naccept-version:" + std::string(version) + "\n" + std::string(headers) + "\n");
    CHECK(received(peer) == "CONNECTED " + std::string(version));
    return peer;
  }
  // Nothing is sent; a WebSocket waits for its handshake.
  Peer& open(core::ShardId shard, core::Transport transport) {
    const bool is_websocket = transport == core::Transport::kWebSocket;
    peers_.push_back(
        std::make_unique<Peer>(static_cast<uint32_t>(peers_.size()), shard, transport));
    Peer& peer = *peers_.back();
    const std::string name = std::to_string(peer.handle);
    peer.client = shards_[shard]->open(
        {.transport = transport, .upgrade = is_websocket ? &upgrade_ : nullptr, .peer = name},
        peer.handle, now_);
    return peer;
  }

  // -- Talking. Each lets the broker come to rest.
  // One frame, or several; the last one's NUL is added.
  void send(Peer& peer, std::string_view frame) {
    write(peer, frame);
    run();
  }
  void send_raw(Peer& peer, std::string_view octets) {
    peer.to_broker += octets;
    run();
  }
  // As send(), but nothing happens until run().
  static void write(Peer& peer, std::string_view frame) {
    std::string octets(frame);
    octets += '\0';
    peer.to_broker += on_wire(peer, octets);
  }
  // The octets in a WebSocket message of the peer's, or as they are.
  [[nodiscard]] static std::string on_wire(const Peer& peer, std::string_view octets,
                                           proto::WsOpcode opcode = proto::WsOpcode::kText) {
    if (peer.transport == core::Transport::kTcp) return std::string(octets);
    std::string out;
    append_client_frame(out, {.opcode = opcode, .payload = octets});
    return out;
  }
  // What came since asked last, in a line; see ServerOutput::take_events.
  [[nodiscard]] static std::string received(Peer& peer) { return peer.output.take_events(); }
  [[nodiscard]] static const ServerFrame& last_frame(const Peer& peer) {
    CHECK(!peer.output.frames().empty());
    return peer.output.frames().back();
  }
  void half_close(Peer& peer) {
    shards_[peer.shard]->peer_closed(*peer.client, false, {}, now_);
    run();
  }
  void reset(Peer& peer) {
    shards_[peer.shard]->peer_closed(*peer.client, true, "connection reset", now_);
    run();
  }

  // -- Letting things happen.
  void run() {
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      for (size_t n = 0; n < peers_.size(); ++n) is_busy |= step(*peers_[n]);
      for (core::ShardId id = 0; id < shards_.size(); ++id) is_busy |= turn(id);
    }
  }
  // The clock goes from deadline to deadline, as net would wake.
  void advance(core::Millis by) {
    const core::Millis until = now_ + by;
    while (now_ < until) {
      core::Millis next = until;
      for (const auto& shard : shards_) next = std::min(next, shard->next_deadline());
      now_ = std::max(now_ + 1, next);
      for (const auto& shard : shards_) shard->run_timers(now_);
      run();
    }
  }
  void begin_drain() {
    for (const auto& shard : shards_) shard->begin_drain(now_);
    run();
  }

  // -- Single steps, for tests that choose what happens when.
  // Hands over what the peer wrote, unless the broker paused it; true if there was something.
  // `even_if_paused`: the kernel had received it before it was told.
  bool deliver(Peer& peer, bool even_if_paused = false) {
    constexpr size_t kPieceBytes = 64 * 1024;
    bool did = false;
    while (!peer.is_released() && !peer.is_aborted && !peer.to_broker.empty()) {
      if (core::Shard::receive_paused(*peer.client) && !even_if_paused) break;
      const std::string octets = peer.to_broker.substr(0, kPieceBytes);
      peer.to_broker.erase(0, octets.size());
      receive(peer, octets);
      did = true;
    }
    return did;
  }
  void receive(Peer& peer, std::string_view octets) {
    // A copy of the exact size, so that a sanitizer sees who reads behind it or keeps a view.
    const auto copy = std::make_unique_for_overwrite<uint8_t[]>(octets.size());
    octets.copy(reinterpret_cast<char*>(copy.get()), octets.size());
    shards_[peer.shard]->receive(*peer.client, {copy.get(), octets.size()}, now_);
  }
  // Plans one flush; false if nobody is ready.
  bool flush_one(core::ShardId id) {
    std::array<core::SendSpan, core::kSendSpansMax> spans;
    core::FlushPlan plan{};
    shards_[id]->fan_out(SIZE_MAX, now_);
    core::Client* client = shards_[id]->next_flush(spans, plan, now_);
    if (client == nullptr) return false;
    begin_operation(*peers_[core::Shard::handle_of(*client)], plan, spans);
    return true;
  }
  // The operation under way completes.
  void complete(Peer& peer) {
    CHECK(peer.has_operation && !peer.is_aborted);
    check_unchanged(peer);
    peer.has_operation = false;
    peer.sending.clear();
    const std::string octets = std::exchange(peer.sending_copy, {});
    peer.output.feed(octets);
    for (size_t pings = peer.output.take_pings(); pings > 0; --pings) {
      if (peer.answers_pings) {
        peer.to_broker += on_wire(peer, {}, proto::WsOpcode::kPong);
      } else {
        peer.output.add_event("ping");
      }
    }
    if (octets.empty()) peer.output.end();
    shards_[peer.shard]->sent(*peer.client, now_);
    if (octets.empty() && peer.answers_end)
      shards_[peer.shard]->peer_closed(*peer.client, false, {}, now_);
  }
  void release(Peer& peer) {
    CHECK(peer.is_aborted);
    check_unchanged(peer);
    core::Client* client = std::exchange(peer.client, nullptr);
    peer.sending.clear();
    shards_[peer.shard]->release(*client);
  }
  void set_now(core::Millis now) { now_ = now; }
  // For tests that play for long: the peers that came last, as far as they are released, are gone.
  void forget_released() {
    while (!peers_.empty() && peers_.back()->is_released()) peers_.pop_back();
  }

  // -- Looking.
  [[nodiscard]] core::Shard& shard(core::ShardId id = 0) { return *shards_[id]; }
  [[nodiscard]] core::ShardId shard_count() const {
    return static_cast<core::ShardId>(shards_.size());
  }
  [[nodiscard]] core::Millis now() const { return now_; }
  [[nodiscard]] const core::MemoryBudget& memory() const { return memory_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Peer>>& peers() const { return peers_; }
  // Sums over all shards.
  [[nodiscard]] core::ShardTables tables() const {
    core::ShardTables sum;
    for (const auto& shard : shards_) {
      const core::ShardTables one = shard->tables();
      sum.clients += one.clients;
      sum.subscriptions += one.subscriptions;
      sum.cursors += one.cursors;
      sum.groups += one.groups;
      sum.topics += one.topics;
      sum.destinations += one.destinations;
      sum.interested += one.interested;
      sum.pattern_interests += one.pattern_interests;
      sum.log_bytes += one.log_bytes;
      sum.queues += one.queues;
      sum.consumers += one.consumers;
      sum.queued += one.queued;
      sum.unsettled += one.unsettled;
      sum.queue_bytes += one.queue_bytes;
      sum.queue_applicants += one.queue_applicants;
      sum.replays += one.replays;
      sum.retained += one.retained;
      sum.history += one.history;
      sum.history_bytes += one.history_bytes;
      sum.slow_subscriptions += one.slow_subscriptions;
    }
    return sum;
  }
  [[nodiscard]] uint64_t count(uint64_t core::ShardMetrics::*counter) const {
    uint64_t sum = 0;
    for (const auto& shard : shards_) sum += shard->metrics().*counter;
    return sum;
  }
  [[nodiscard]] uint64_t count_closed(core::CloseReason reason) const {
    uint64_t sum = 0;
    for (const auto& shard : shards_)
      sum += shard->metrics().connections_closed[static_cast<size_t>(reason)];
    return sum;
  }
  // A topic that hashes to the shard.
  [[nodiscard]] std::string topic_owned_by(core::ShardId owner) const {
    for (int n = 0;; ++n) {
      const std::string name = "/topic/" + std::to_string(n);
      if (core::owner_shard(core::hash_text(name, options_.boot_id), shard_count()) == owner)
        return name;
    }
  }

  static constexpr std::string_view kHandshake =
      "GET /stomp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: v12.stomp\r\n\r\n";

 private:
  void on_client_closed(const core::ClosedClient& closed) override {
    Peer& peer = *peers_[std::stoul(std::string(closed.peer))];
    CHECK(!peer.close_reason.has_value());
    peer.close_reason = closed.reason;
    peer.close_detail = closed.detail;
    peer.close_pending_bytes = closed.pending_bytes;
  }

  void begin_operation(Peer& peer, const core::FlushPlan& plan,
                       std::span<const core::SendSpan> spans) {
    if (plan.action == core::FlushAction::kNothing) return;
    CHECK(!peer.is_aborted);
    switch (plan.action) {
      case core::FlushAction::kNothing:
        return;
      case core::FlushAction::kSend:
        CHECK(!peer.has_operation && !peer.is_shutdown && plan.spans <= spans.size());
        peer.has_operation = true;
        peer.sending.assign(spans.begin(), spans.begin() + static_cast<ptrdiff_t>(plan.spans));
        peer.sending_copy = read_spans(peer);
        CHECK(peer.sending_copy.size() == plan.bytes && plan.bytes > 0);
        return;
      case core::FlushAction::kShutdownWrite:
        CHECK(!peer.has_operation && !peer.is_shutdown);
        peer.has_operation = peer.is_shutdown = true;
        return;
      case core::FlushAction::kAbort:
        peer.is_aborted = true;
        if (!peer.is_shutdown) peer.output.add_event("abort");
        return;
    }
  }

  bool step(Peer& peer) {
    if (peer.is_released()) return false;
    if (peer.is_aborted) {
      if (peer.is_release_held) return false;
      release(peer);
      return true;
    }
    const bool did_receive = deliver(peer);
    const bool can_complete = peer.has_operation && (peer.is_reading || peer.is_shutdown);
    if (can_complete) complete(peer);
    return did_receive || can_complete;
  }

  bool turn(core::ShardId id) {
    core::Shard& shard = *shards_[id];
    bool did = shard.has_mail();
    (void)shard.take_mail(64, now_);
    while (flush_one(id)) did = true;
    did |= shard.post_mail() != 0;
    while (shard.next_receive_change() != nullptr) did = true;
    return did || shard.has_ready() || shard.is_gathering();
  }

  static std::string read_spans(const Peer& peer) {
    std::string octets;
    for (const core::SendSpan& span : peer.sending) {
      octets.append(static_cast<const char*>(span.data), span.size);
    }
    return octets;
  }
  static void check_unchanged(const Peer& peer) {
    CHECK(peer.sending.empty() || read_spans(peer) == peer.sending_copy);
  }

  const core::Options options_;
  const proto::UpgradePolicy upgrade_;
  core::MailboxGrid mailboxes_;
  core::MemoryBudget memory_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<core::Shard>> shards_;
  core::Millis now_ = 1'000;
};

}  // namespace stampede::tests
