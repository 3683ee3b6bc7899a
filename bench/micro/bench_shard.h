#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/destination_name.h"
#include "core/mailbox.h"
#include "core/options.h"
#include "core/shard.h"
#include "proto/base/check.h"
#include "proto/http_upgrade.h"
#include "tests/support/ws_client_frames.h"

namespace stampede::bench {

// A connection, as net would hold it.
struct Connection {
  core::Client* client = nullptr;
  core::ShardId shard = 0;
  core::Transport transport = core::Transport::kTcp;
};

struct Flushed {
  size_t sends = 0;
  size_t bytes = 0;
};

// BenchShards is shards of the real core in one thread, driven through the face that net drives,
// with nothing in between: what is sent goes nowhere and is complete at once, and the clock stands.
//
// Checks that no connection is closed, since what is dropped is cheap.
class BenchShards : private core::ShardObserver {
 public:
  explicit BenchShards(core::ShardId shards = 1, const core::Options& options = {})
      : options_(options), mailboxes_(shards, options_.mailbox_slots) {
    core::ShardObserver& observer = *this;
    for (core::ShardId id = 0; id < shards; ++id) {
      shards_.push_back(std::make_unique<core::Shard>(id, shards, options_, mailboxes_, observer));
    }
  }
  ~BenchShards() override = default;

  // -- Setting the stage.
  // Has a session of STOMP 1.2.
  Connection connect(core::Transport transport, core::ShardId shard = 0) {
    const bool is_websocket = transport == core::Transport::kWebSocket;
    const Connection connection = {
        .client = shards_[shard]->open({.transport = transport,
                                        .upgrade = is_websocket ? &upgrade_ : nullptr,
                                        .peer = "127.0.0.1:40000"},
                                       connections_++, kNow),
        .shard = shard,
        .transport = transport};
    if (is_websocket) receive(connection, kHandshake);
    receive(connection, on_wire(transport, "CONNECT\naccept-version:1.2\n\n"));
    return connection;
  }
  void subscribe(const Connection& connection, std::string_view id, std::string_view destination) {
    std::string frame("SUBSCRIBE\nid:");
    frame.append(id).append("\ndestination:").append(destination).append("\n\n");
    receive(connection, on_wire(connection.transport, frame));
  }
  // Until no mail is under way and everything is sent.
  void come_to_rest() {
    for (bool is_busy = true; is_busy;) {
      is_busy = false;
      for (core::ShardId id = 0; id < shards_.size(); ++id) {
        take_mail(id);
        is_busy |= flush(id).sends > 0;
        is_busy |= shards_[id]->post_mail() != 0;
      }
    }
  }
  // A topic that the shard is the owner of.
  [[nodiscard]] std::string topic_owned_by(core::ShardId owner) const {
    const auto count = static_cast<core::ShardId>(shards_.size());
    for (int n = 0;; ++n) {
      const std::string name = "/topic/" + std::to_string(n);
      if (core::owner_shard(core::hash_text(name, options_.boot_id), count) == owner) return name;
    }
  }

  // -- What is measured.
  void receive(const Connection& connection, std::string_view octets) {
    shards_[connection.shard]->receive(
        *connection.client, {reinterpret_cast<const uint8_t*>(octets.data()), octets.size()}, kNow);
  }
  void post_mail(core::ShardId shard) { (void)shards_[shard]->post_mail(); }
  void take_mail(core::ShardId shard) {
    while (shards_[shard]->take_mail(kMailOfTurn, kNow)) {
    }
  }
  // Until nobody has anything to send. In the manner of net::Sender: plans a turn's worth of sends,
  // then hears that they are complete.
  Flushed flush(core::ShardId shard) {
    shards_[shard]->fan_out(SIZE_MAX, kNow);
    Flushed flushed;
    std::array<core::SendSpan, core::kSendSpansMax> spans;
    std::array<core::Client*, kSendsOfTurn> sending;
    while (true) {
      size_t planned = 0;
      core::FlushPlan plan = {};
      while (planned < kSendsOfTurn) {
        core::Client* client = shards_[shard]->next_flush(spans, plan, kNow);
        if (client == nullptr) break;
        CHECK(plan.action == core::FlushAction::kSend);
        flushed.bytes += plan.bytes;
        sending[planned++] = client;
      }
      if (planned == 0) return flushed;
      for (core::Client* client : std::span(sending).first(planned)) {
        shards_[shard]->sent(*client, kNow);
      }
      flushed.sends += planned;
    }
  }

  [[nodiscard]] core::Shard& shard(core::ShardId id = 0) { return *shards_[id]; }

  // One STOMP frame, as a client of the transport writes it; the NUL is added.
  [[nodiscard]] static std::string on_wire(core::Transport transport, std::string_view frame) {
    std::string octets(frame);
    octets += '\0';
    if (transport == core::Transport::kTcp) return octets;
    std::string message;
    tests::append_client_frame(message, {.payload = octets});
    return message;
  }

 private:
  static constexpr core::Millis kNow = 1'000;
  // As net has them.
  static constexpr size_t kMailOfTurn = 1024;
  static constexpr size_t kSendsOfTurn = 256;

  static constexpr std::string_view kHandshake =
      "GET /stomp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: v12.stomp\r\n\r\n";

  void on_client_closed(const core::ClosedClient& closed) override {
    // The reason of those that are still open when their shard ends.
    CHECK(closed.reason == core::CloseReason::kInternal);
  }

  const core::Options options_;
  const proto::UpgradePolicy upgrade_ = {.paths = {"/stomp"},
                                         .head_bytes_max = options_.http_head_bytes_max,
                                         .headers_max = options_.http_headers_max,
                                         .allowed_origins = options_.allowed_origins};
  core::MailboxGrid mailboxes_;
  std::vector<std::unique_ptr<core::Shard>> shards_;
  uint32_t connections_ = 0;
};

}  // namespace stampede::bench
