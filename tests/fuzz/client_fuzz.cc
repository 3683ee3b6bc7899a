// A few interleaved clients against a core of two shards, in any order of events. What must hold:
//   - no crash and no failed CHECK; one operation of a connection at a time, its octets unchanged
//   until
//     it is complete; all that is written is well-formed (tests/support/shard_fixture.h);
//   - once everyone has left and time has passed, every table is empty.
//
// Input: octet 0 bit n says that client n speaks WebSocket, bit 4 that WebSocket clients write
// their own handshake, bits 5 to 7 choose limits. Then steps: an octet whose low nibble says what
// happens (enum Step), bits 4 and 5 to which client, bits 6 and 7 how; what a step needs besides is
// read from behind it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proto/base/check.h"
#include "tests/support/shard_fixture.h"

namespace {

using stampede::core::Options;
using stampede::core::QueueFullPolicy;
using stampede::core::Transport;
using stampede::proto::WsOpcode;
using stampede::tests::Peer;
using stampede::tests::ShardFixture;

constexpr size_t kClients = 4;
constexpr size_t kConnectionsMax = 24;
constexpr size_t kWaitingBytesMax = 100'000;
constexpr size_t kLargeSendsMax = 24;
constexpr stampede::core::ShardId kShards = 2;

class Input {
 public:
  explicit Input(std::span<const uint8_t> octets) : left_(octets) {}
  [[nodiscard]] bool empty() const { return left_.empty(); }
  uint8_t octet() {
    if (left_.empty()) return 0;
    const uint8_t first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  std::string_view text(size_t size) {
    const auto taken = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(taken.size());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::span<const uint8_t> left_;
};

// Whole frames, so that deep states are one octet away. A '$' is replaced by a digit.
constexpr std::array<std::string_view, 28> kFrames = {
    "CONNECT\naccept-version:1.2\nheart-beat:1000,1000\n\n",
    "CONNECT\naccept-version:1.1\n\n",
    "CONNECT\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a\nreceipt:s$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/b\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/*\nreceipt:p$\n\n",
    "SUBSCRIBE\nid:$\ndestination:#\n\n",
    "SUBSCRIBE\ndestination:/topic/a\n\n",
    "UNSUBSCRIBE\nid:$\nreceipt:u$\n\n",
    "UNSUBSCRIBE\nid:$\n\n",
    "UNSUBSCRIBE\ndestination:/topic/a\n\n",
    "SEND\ndestination:/topic/a\n\nbody $",
    "SEND\ndestination:/topic/b\nreceipt:r$\nk:\\c\n\nbody",
    "SEND\ndestination:/topic/a\nmessage-id:m$\nreceipt:r$\n\nbody",
    "SEND\ndestination:/topic/$\nk:\xff\n\n\xff",
    "DISCONNECT\nreceipt:bye\n\n",
    "DISCONNECT\n\n",
    "ACK\nid:1\nreceipt:a\n\n",
    "SEND\n\n",
    "\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a\nfrom-seq:$\nreceipt:h$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/*\nfrom-seq:0\ninclude-position:true\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/"
    "a\nx-stream-offset:first\nack:client\nprefetch-count:1\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/b\nfrom-seq:-1\ninclude-seq:s\nreceipt:h$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a\nx-stream-offset:timestamp=$\nreceipt:h$\n\n",
    "SEND\ndestination:/topic/a\nretain:set\n\n$",
    "SEND\ndestination:/topic/$\nretain:true\n\n$",
    "SEND\ndestination:/topic/a\nretain:remove\n\n$",
};

// The same for what is acknowledged or answered. A '@' is replaced by what acknowledges one of the
// client's last MESSAGEs, a '!' by where its answer goes.
constexpr std::array<std::string_view, 32> kQueueFrames = {
    "SUBSCRIBE\nid:$\ndestination:/queue/"
    "a\nack:client-individual\nprefetch-count:2\nreceipt:q$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/queue/a\nack:client\nexclusive:true\n\n",
    "SUBSCRIBE\nid:$\ndestination:/queue/b\nx-priority:$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/queue/a\nselector:n > $ OR body.n = 1\nno-local:true\n\n",
    "SUBSCRIBE\nid:$\ndestination:/queue/a\nbrowser:true\n\n",
    "SUBSCRIBE\ndestination:/queue/a\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a\nack:client\nprefetch-count:3\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/*\nack:client-individual\ncredit:1,100\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a\nselector:body.n BETWEEN 0 AND $\n\n",
    "SUBSCRIBE\nid:$\ndestination:/queue/dlq.a\nack:client\n\n",
    "SEND\ndestination:/queue/a\nn:$\nreceipt:r$\n\n{\"n\":$}",
    "SEND\ndestination:/queue/a\nmessage-id:m$\nJMSXGroupID:g\n\nx",
    "SEND\ndestination:/queue/b\nexpiration:900\npriority:$\n\nx",
    "SEND\ndestination:/queue/b\nAMQ_SCHEDULED_DELAY:$00\n\nx",
    "SEND\ndestination:/queue/b\ntransaction:t$\nreceipt:x$\n\nx",
    "SEND\ndestination:/topic/a\ntransaction:t$\n\n{\"n\":$}",
    "BEGIN\ntransaction:t$\n\n",
    "COMMIT\ntransaction:t$\nreceipt:c$\n\n",
    "ABORT\ntransaction:t$\n\n",
    "ACK\n@\n\n",
    "ACK\n@\nreceipt:a$\n\n",
    "ACK\n@\ntransaction:t$\n\n",
    "NACK\n@\n\n",
    "NACK\n@\nrequeue:false\n\n",
    "SUBSCRIBE\nid:$\ndestination:/temp-queue/a\nack:client\n\n",
    "SUBSCRIBE\nid:$\ndestination:/topic/a,/queue/b,/temp-topic/$\nack:client\nreceipt:k$\n\n",
    "SUBSCRIBE\nid:$\ndestination:/user/a\n\n",
    "UNSUBSCRIBE\nid:/temp-queue/$\n\n",
    "SEND\ndestination:/topic/a\nreply-to:/temp-queue/$\n\nx",
    "SEND\ndestination:/topic/b\nreply-to:/temp-topic/a\nreceipt:y$\n\nx",
    "SEND\ndestination:!\nreceipt:z$\n\nx",
    "SEND\ndestination:/topic/a,/queue/b,!,/user/0-$/a\nreceipt:w$\n\nx",
};

Options options_for(unsigned choice) {
  Options options;
  options.mailbox_slots = 2;
  options.frame_bytes_max = 100'000;
  options.receipts_pending_max = 8;
  options.subscriptions_max = 6;
  options.slow_consumer_bytes = 20'000;
  options.publisher_lead_bytes_max = 6'000;
  options.queue_messages_max = 4;
  options.queue_deliveries_max = 3;
  options.transactions_max = 2;
  options.transaction_steps_max = 3;
  options.retained_max = 3;
  options.retain_time_ms = 60'000;
  options.history = {{.pattern = "/topic/#", .messages = 5, .time_ms = 60'000}};
  if ((choice & 4) != 0) options.replay_bytes_max = 1'000;
  options.queue_full_policy = static_cast<QueueFullPolicy>(choice % 3);
  options.destinations_max = (choice & 1) != 0 ? 2 : 100;
  if ((choice & 2) != 0) options.send_bytes_max = 100;
  if ((choice & 4) != 0) options.dedup_window = 2;
  return options;
}

enum Step : uint8_t {
  kOctets0,  // as they are: a count, then so many octets
  kOctets1,
  kPayload0,  // in a WebSocket message (opcode by bits 6 and 7), or as they are
  kPayload1,
  kFrame0,  // one of kFrames: its index (low 5 bits) and the digit (high 3 bits)
  kFrame1,
  kLargeSend,  // a SEND with one of four sizes of body
  kFlush,      // so many flushes of the shard (bit 4)
  kComplete,   // the operation under way
  kMail,       // the shard takes so many envelopes, or posts its own
  kTime,       // the clock moves on
  kPeerEnds,   // half-close, or reset by bit 6
  kReading,    // the client stops or goes on reading
  kRest,       // everything until nothing happens
  kOpenAgain,  // once released
  kDrain,      // with a second octet of 0xDD; with another, one of kQueueFrames by that
};

class Clients {
 public:
  Clients(uint8_t choice, const Options& options) : shards_(kShards, options), choice_(choice) {
    for (size_t n = 0; n < kClients; ++n) open(n);
  }

  void step(Input& input) {
    const uint8_t octet = input.octet();
    const auto what = static_cast<Step>(octet & 15);
    const size_t which = octet >> 4 & 3;
    const unsigned how = octet >> 6;
    Peer& peer = *peers_[which];
    switch (what) {
      case kOctets0:
      case kOctets1:
        peer.to_broker += input.text(input.octet());
        break;
      case kPayload0:
      case kPayload1: {
        constexpr WsOpcode kOpcodes[] = {WsOpcode::kText, WsOpcode::kBinary, WsOpcode::kPing,
                                         WsOpcode::kClose};
        peer.to_broker +=
            ShardFixture::on_wire(peer, input.text(input.octet() % 126), kOpcodes[how]);
        break;
      }
      case kFrame0:
      case kFrame1:
        write(peer, input.octet(), how);
        break;
      case kLargeSend:
        // More would only be slow.
        if (peer.to_broker.size() > kWaitingBytesMax || ++large_sends_ > kLargeSendsMax) break;
        peer.to_broker += large_send(peer.transport, input.octet() % 4);
        break;
      case kFlush:
        for (unsigned n = 0; n <= how && shards_.flush_one(which % kShards); ++n) {
        }
        break;
      case kComplete:
        if (!peer.is_released() && peer.has_operation && !peer.is_aborted) shards_.complete(peer);
        break;
      case kMail:
        if (how == 3) {
          (void)shards_.shard(which % kShards).post_mail();
        } else {
          (void)shards_.shard(which % kShards).take_mail(1 + how, shards_.now());
        }
        break;
      case kTime: {
        constexpr stampede::core::Millis kSteps[] = {20, 900, 5'000, 20'000};
        shards_.set_now(shards_.now() + kSteps[how]);
        shards_.shard(which % kShards).run_timers(shards_.now());
        break;
      }
      case kPeerEnds:
        if (!peer.is_released() && !peer.is_aborted) {
          shards_.shard(peer.shard)
              .peer_closed(*peer.client, (how & 1) != 0, "reset", shards_.now());
        }
        break;
      case kReading:
        peer.is_reading = !peer.is_reading;
        break;
      case kRest:
        shards_.run();
        break;
      case kOpenAgain:
        if (peer.is_aborted && !peer.is_released()) shards_.release(peer);
        if (peer.is_released() && shards_.peers().size() < kConnectionsMax) open(which);
        break;
      case kDrain:
        if (const uint8_t second = input.octet(); second == 0xDD) {
          for (stampede::core::ShardId id = 0; id < kShards; ++id)
            shards_.shard(id).begin_drain(shards_.now());
        } else {
          write_queue_frame(peer, second, how);
        }
        break;
    }
    if ((what <= kLargeSend || what == kDrain) && (choice_ & 0x80) == 0) {
      const bool even_if_paused = what == kOctets1 || what == kPayload1 || what == kFrame1;
      shards_.deliver(peer, even_if_paused);
    }
  }

  void leave() {
    shards_.run();
    for (const auto& peer : shards_.peers()) {
      peer->is_reading = true;
      if (peer->is_released() || peer->is_aborted) continue;
      shards_.shard(peer->shard)
          .peer_closed(*peer->client, peer->handle % 2 == 0, "reset", shards_.now());
    }
    shards_.run();
    // Nobody is waited for: all have read everything and ended their side. Only publishers that
    // were held back take a while to say what they said.
    for (int n = 0; n < 2'000 && shards_.tables().clients > 0; ++n) {
      shards_.set_now(shards_.now() + 5);
      shards_.run();
    }
    CHECK(shards_.tables().clients == 0);
    // First what is kept of destinations goes, then they are forgotten.
    for (int n = 0; n < 2; ++n) {
      shards_.set_now(shards_.now() + 130'000);
      for (stampede::core::ShardId id = 0; id < kShards; ++id)
        shards_.shard(id).run_timers(shards_.now());
      shards_.run();
    }
    const stampede::core::ShardTables tables = shards_.tables();
    CHECK(tables.consumers == 0 && tables.unsettled == 0);
    CHECK(tables.clients == 0 && tables.subscriptions == 0 && tables.cursors == 0);
    CHECK(tables.groups == 0 && tables.topics == 0 && tables.log_bytes == 0);
    CHECK(tables.replays == 0 && tables.retained == 0 && tables.history == 0);
    CHECK(tables.interested == 0 && tables.pattern_interests == 0 && tables.destinations == 0);
    for (stampede::core::ShardId id = 0; id < kShards; ++id) CHECK(shards_.shard(id).is_drained());
  }

 private:
  void open(size_t which) {
    const bool is_websocket = (choice_ >> which & 1) != 0;
    peers_[which] = &shards_.open(static_cast<stampede::core::ShardId>(which % kShards),
                                  is_websocket ? Transport::kWebSocket : Transport::kTcp);
    const bool writes_its_own = (choice_ & 0x10) != 0;
    if (is_websocket && !writes_its_own) shards_.receive(*peers_[which], ShardFixture::kHandshake);
  }

  // Made once each: masking what is large would take most of the time.
  static const std::string& large_send(Transport transport, unsigned size) {
    static std::array<std::array<std::string, 4>, 2> made;
    std::string& octets = made[transport == Transport::kTcp ? 0 : 1][size];
    if (octets.empty()) {
      constexpr size_t kBodyBytes[] = {600, 5'000, 18'000, 33'000};
      std::string frame = "SEND\ndestination:/topic/a\n\n" + std::string(kBodyBytes[size], 'x');
      frame += '\0';
      octets = frame;
      if (transport == Transport::kWebSocket) {
        octets.clear();
        stampede::tests::append_client_frame(octets,
                                             {.opcode = WsOpcode::kBinary, .payload = frame});
      }
    }
    return octets;
  }

  static void write(Peer& peer, uint8_t which, unsigned how) {
    write_frame(peer, std::string(kFrames[(which & 31) % kFrames.size()]), which >> 5, how);
  }

  static void write_queue_frame(Peer& peer, uint8_t which, unsigned how) {
    std::string frame(kQueueFrames[(which & 31) % kQueueFrames.size()]);
    if (const size_t at = frame.find('@'); at != frame.npos) {
      frame.replace(at, 1, acknowledgement(peer, which >> 5));
    }
    if (const size_t at = frame.find('!'); at != frame.npos) {
      frame.replace(at, 1, reply_to(peer, which >> 5));
    }
    write_frame(peer, std::move(frame), which >> 5, how);
  }

  // Of the last MESSAGE but so many.
  static std::string acknowledgement(const Peer& peer, unsigned back) {
    const auto& frames = peer.output.frames();
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      if (frame->command != "MESSAGE" || back-- > 0) continue;
      if (const auto ack = frame->header("ack")) return "id:" + std::string(*ack);
      return "message-id:" + std::string(frame->header("message-id").value_or(""));
    }
    return "id:1-1";
  }

  // Of the last MESSAGE but so many that has one.
  static std::string reply_to(const Peer& peer, unsigned back) {
    const auto& frames = peer.output.frames();
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      const auto where = frame->header("reply-to");
      if (where && back-- == 0) return std::string(*where);
    }
    return "/reply-queue/1-1-0/0";
  }

  static void write_frame(Peer& peer, std::string frame, unsigned digit, unsigned how) {
    std::replace(frame.begin(), frame.end(), '$', static_cast<char>('0' + digit));
    frame += '\0';
    // Text must be UTF-8, so some go as binary.
    peer.to_broker +=
        ShardFixture::on_wire(peer, frame, how == 0 ? WsOpcode::kBinary : WsOpcode::kText);
  }

  ShardFixture shards_;
  const uint8_t choice_;
  std::array<Peer*, kClients> peers_ = {};
  size_t large_sends_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input({data, size});
  const uint8_t choice = input.octet();
  Clients clients(choice, options_for(choice >> 5));
  while (!input.empty()) clients.step(input);
  clients.leave();
  return 0;
}
