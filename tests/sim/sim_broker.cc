#include "tests/sim/sim_broker.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/client.h"

namespace stampede::sim {

namespace {

constexpr std::string_view kPeerPrefix = "10.0.0.1:";

}  // namespace

SimBroker::SimBroker(uint64_t seed, core::ShardId shards)
    : random_(seed),
      mailboxes_(shards, size_t{4} << random_.below(6)),
      upgrade_{
          .paths = {"/stomp"}, .head_bytes_max = 8192, .headers_max = 64, .allowed_origins = {"*"}},
      mail_stall_(shards) {
  options_.boot_id = 1 + random_.below(1'000'000'000);
  options_.heart_beat_send_ms = options_.heart_beat_receive_ms = 0;
  options_.send_bytes_max = random_.one_in(2) ? 64 * 1024 : 700;
  options_.frame_bytes_max = 1 << 20;
  options_.publisher_lead_bytes_max = random_.one_in(2) ? 2'000 : 256 * 1024;
  // A peer that does not read for a while is not what is tested here: only the clock ends it.
  options_.slow_consumer_bytes = 64 << 20;
}

// Shards that end with clients close them, which by then means nothing.
SimBroker::~SimBroker() { is_over_ = true; }

void SimBroker::open_shards() {
  core::ShardObserver& observer = *this;
  for (core::ShardId id = 0; id < mailboxes_.shards(); ++id) {
    shards_.push_back(
        std::make_unique<core::Shard>(id, mailboxes_.shards(), options_, mailboxes_, observer));
  }
}

void SimBroker::let_happen(const SimFaults& faults) {
  faults_ = faults;
  if (faults_.shards_stall) let_shards_stall();
  if (!faults_.clock_jumps) return;
  constexpr core::Millis kLongerThanALife = core::Millis{1'000} * 24 * 3'600'000;
  options_.http_timeout_ms = options_.connect_timeout_ms = kLongerThanALife;
  options_.slow_consumer_after_ms = options_.close_linger_ms = kLongerThanALife;
  options_.ping_interval_ms = 0;
}

void SimBroker::let_shards_stall() {
  faults_.shards_stall = true;
  // Who leaves gets what it is owed, though those who owe it stand still one after the other.
  options_.close_linger_ms = std::max<int64_t>(options_.close_linger_ms, 30'000);
}

void SimBroker::fail(const std::string& what) { throw std::runtime_error(what); }

void SimBroker::on_client_closed(const core::ClosedClient& client) {
  if (is_over_) return;
  // Who has left may be cut before anybody is sent anything more.
  if (is_leaving_one_by_one_) look_for_leavers();
  SimPeer& peer = *peers_[std::stoul(std::string(client.peer.substr(kPeerPrefix.size())))];
  peer.closed_at = now_;
  peer.frames_handled = client.frames_received;
  switch (client.reason) {
    case core::CloseReason::kClientDisconnect:
    case core::CloseReason::kPeerClosed:
    case core::CloseReason::kPeerReset:
      break;
    default:
      if (!is_draining_ || client.reason != core::CloseReason::kDrain) on_failed(peer, client);
  }
  on_closed(peer, client.reason);
}

void SimBroker::on_failed(SimPeer& /*peer*/, const core::ClosedClient& closed) {
  fail("closed a client: " + std::string(to_string(closed.reason)) + " " +
       std::string(closed.detail));
}

// -- What peers do.

core::ShardId SimBroker::any_shard() {
  return static_cast<core::ShardId>(random_.below(shards_.size()));
}

void SimBroker::open(std::unique_ptr<SimPeer> owned, core::ShardId shard) {
  SimPeer& peer = *owned;
  peer.index = static_cast<uint32_t>(peers_.size());
  const bool is_websocket = !random_.one_in(3) || are_alike_;
  const int any_version = 10 + static_cast<int>(random_.below(3));
  const int version = are_alike_ ? 12 : any_version;
  peer.protocol = std::make_unique<SimClient>(is_websocket, version, random_);
  peer.socket.shard = shard;
  present_.push_back(&peer);
  peers_.push_back(std::move(owned));
  const std::string name = std::string(kPeerPrefix) + std::to_string(peer.index);
  peer.socket.client = shards_[shard]->open(
      {.transport = is_websocket ? core::Transport::kWebSocket : core::Transport::kTcp,
       .upgrade = is_websocket ? &upgrade_ : nullptr,
       .peer = name},
      peer.index, now_);
  if (is_websocket) write(peer, peer.protocol->handshake());
  const std::string offer = version == 12 ? "1.0,1.1,1.2" : version == 11 ? "1.1,1.0" : "1.0";
  write(peer, peer.protocol->frame(random_.one_in(2) ? "CONNECT" : "STOMP",
                                   {{"accept-version", offer}, {"host", "sim"}}));
}

void SimBroker::end_stream(SimPeer& peer) {
  peer.is_leaving = true;
  peer.socket.peer_ended = true;
}

void SimBroker::cut(SimPeer& peer) {
  peer.is_leaving = peer.is_cut = true;
  shards_[peer.socket.shard]->peer_closed(*peer.socket.client, true, "reset", now_);
}

// -- What happens to the broker.

void SimBroker::flush(core::ShardId shard) {
  std::array<core::SendSpan, core::kSendSpansMax> spans;
  core::FlushPlan plan{};
  core::Client* client = shards_[shard]->next_flush(spans, plan, now_);
  if (client == nullptr) return;
  SimPeer& peer = *peers_[core::Shard::handle_of(*client)];
  SimSocket& socket = peer.socket;
  switch (plan.action) {
    case core::FlushAction::kNothing:
      break;
    case core::FlushAction::kSend:
      begin_send(peer, {spans.begin(), spans.begin() + static_cast<ptrdiff_t>(plan.spans)},
                 plan.bytes);
      break;
    case core::FlushAction::kShutdownWrite:
      if (socket.has_operation || socket.is_shutdown) fail("a second operation");
      socket.has_operation = socket.is_shutdown = true;
      break;
    case core::FlushAction::kAbort:
      if (socket.is_aborted) fail("aborted twice");
      socket.is_aborted = true;
      break;
  }
}

void SimBroker::begin_send(SimPeer& peer, const std::vector<core::SendSpan>& spans, size_t bytes) {
  SimSocket& socket = peer.socket;
  if (socket.has_operation || socket.is_shutdown) fail("a second operation");
  socket.has_operation = true;
  socket.sending = spans;
  socket.sending_copy = read_spans(socket.sending);
  if (socket.sending_copy.size() != bytes || bytes == 0) fail("wrong size of a plan");
  if (is_leaving_one_by_one_) look_for_leavers();
  peer.given = peer.protocol->read(socket.sending_copy);
  peer.protocol->check_border();
  write(peer, peer.protocol->take_pongs());
  for (const SimFrame& frame : peer.given) on_given(peer, frame);
  if (socket.is_reset) peer.given.clear();
}

void SimBroker::reach(SimPeer& peer) {
  const size_t count = std::min<size_t>(1 + random_.below(peer.given.size()), peer.given.size());
  const auto end = peer.given.begin() + static_cast<ptrdiff_t>(count);
  peer.inbox.insert(peer.inbox.end(), peer.given.begin(), end);
  peer.given.erase(peer.given.begin(), end);
}

void SimBroker::look_for_leavers() {
  for (SimPeer* const peer : present_) {
    const core::Client* const client = peer->socket.client;
    if (client == nullptr || !client->is_dismissed() || std::exchange(peer->has_left, true))
      continue;
    on_left(*peer);
  }
}

void SimBroker::complete(SimPeer& peer) {
  SimSocket& socket = peer.socket;
  socket.check_unchanged();
  socket.has_operation = false;
  socket.sending.clear();
  on_sent(peer);
  for (SimFrame& frame : std::exchange(peer.given, {})) peer.inbox.push_back(std::move(frame));
  shards_[socket.shard]->sent(*socket.client, now_);
}

void SimBroker::release(SimPeer& peer) {
  SimSocket& socket = peer.socket;
  socket.check_unchanged();
  peer.is_cut |= !socket.sending.empty();
  // Part of what was under way may have reached the peer.
  peer.given.resize(random_.below(peer.given.size() + 1));
  for (SimFrame& frame : std::exchange(peer.given, {})) peer.inbox.push_back(std::move(frame));
  shards_[socket.shard]->release(*socket.client);
  socket.client = nullptr;
  peer.is_released = true;
  present_.erase(std::find(present_.begin(), present_.end(), &peer));
  look_at_inbox(peer);
}

void SimBroker::look_at_inbox(SimPeer& peer) {
  for (const SimFrame& frame : std::exchange(peer.inbox, {})) on_frame(peer, frame);
}

// One thing that may happen on this peer's connection; false if there is none.
bool SimBroker::step_peer(SimPeer& peer) {
  SimSocket& socket = peer.socket;
  core::Shard& shard = *shards_[socket.shard];
  const bool is_served = !is_stalled(socket.shard);
  if (socket.is_aborted && is_served) {
    release(peer);
    return true;
  }
  if (!peer.inbox.empty() && random_.one_in(2)) {
    look_at_inbox(peer);
    return true;
  }
  if (!is_served) return false;
  if (tell_failure(peer)) return true;
  if (socket.has_operation && !socket.has_send_failed && peer.stuck == 0 && random_.one_in(2)) {
    if (!peer.given.empty() && random_.one_in(3)) {
      reach(peer);
    } else {
      complete(peer);
    }
    return true;
  }
  if (peer.stuck > 0) --peer.stuck;
  if (socket.has_octets() && !socket.is_paused) {
    const std::string octets = socket.take_some(random_);
    shard.receive(*socket.client, {reinterpret_cast<const uint8_t*>(octets.data()), octets.size()},
                  now_);
    const bool is_heard = !peer.closed_at && !is_draining_;
    if (is_heard && !core::Shard::receive_paused(*socket.client)) socket.heard = socket.taken;
    return true;
  }
  const bool has_ended = (socket.peer_ended || socket.is_shutdown) && !socket.is_reset;
  if (has_ended && !socket.has_octets() && !socket.peer_end_told) {
    socket.peer_end_told = true;
    shard.peer_closed(*socket.client, false, {}, now_);
    return true;
  }
  // Who is paused waits for something that its shard knows of.
  const bool has_octets = socket.has_octets() && !socket.is_paused;
  return has_octets || socket.has_operation || !peer.inbox.empty();
}

bool SimBroker::tell_receive_changes(core::Shard& shard) {
  bool did = false;
  while (const core::Client* client = shard.next_receive_change()) {
    peers_[core::Shard::handle_of(*client)]->socket.is_paused =
        core::Shard::receive_paused(*client);
    did = true;
  }
  return did;
}

void SimBroker::step_shard(core::ShardId id) {
  if (is_stalled(id)) return;
  core::Shard& shard = *shards_[id];
  // Now and then a shard does not look at its mail for long, as one does that flushes to thousands.
  if (mail_stall_[id] > 0) {
    --mail_stall_[id];
  } else if (random_.one_in(100)) {
    mail_stall_[id] = static_cast<uint32_t>(random_.below(400));
  }
  switch (random_.below(7)) {
    case 0:
      if (mail_stall_[id] == 0) (void)shard.take_mail(1 + random_.below(20), now_);
      break;
    case 1:
      (void)shard.post_mail();
      break;
    case 2:
      // What others do while one stands still would else take very many steps.
      now_ += static_cast<core::Millis>(random_.below(now_ < stalled_until_ ? 10 : 2));
      shard.run_timers(now_);
      break;
    case 3:
      (void)tell_receive_changes(shard);
      break;
    case 4:
      shard.fan_out(1 + random_.below(8), now_);
      break;
    default:
      for (uint64_t count = 1 + random_.below(8); count > 0 && shard.has_ready(); --count)
        flush(id);
  }
}

void SimBroker::disturb() {
  if (faults_.clock_jumps && random_.one_in(1'000)) {
    const core::Millis most = random_.one_in(2) ? 1'000 : jump_max_;
    now_ += 1 + static_cast<core::Millis>(random_.below(static_cast<uint64_t>(most)));
  }
  if (faults_.connections_break && !present_.empty() && random_.one_in(300)) {
    break_connection(anybody());
  }
  // With no other shard there would be nobody who goes on.
  if (faults_.shards_stall && shards_.size() > 1 && now_ >= stalled_until_ &&
      random_.one_in(2'000)) {
    stalled_ = any_shard();
    stalled_until_ = now_ + 500;
  }
}

void SimBroker::break_connection(SimPeer& peer) {
  SimSocket& socket = peer.socket;
  if (peer.is_spared || socket.is_aborted || socket.peer_ended || socket.is_reset) return;
  switch (random_.below(3)) {
    case 0:
      if (socket.sending.empty() || socket.has_send_failed) return;
      fail_send(peer);
      peer.is_cut = true;
      break;
    case 1:
      peer.is_cut |= socket.lose_end(random_);
      socket.peer_ended = true;
      break;
    default:
      (void)socket.lose_end(random_);
      socket.is_reset = peer.is_cut = true;
      if (!peer.given.empty() && random_.one_in(2)) reach(peer);
      peer.given.clear();
      break;
  }
  peer.is_leaving = true;
  on_broken(peer);
}

// The broker has its octets in use until it is told.
void SimBroker::fail_send(SimPeer& peer) {
  if (!peer.given.empty() && random_.one_in(2)) reach(peer);
  peer.given.clear();
  peer.socket.has_send_failed = true;
}

bool SimBroker::tell_failure(SimPeer& peer) {
  SimSocket& socket = peer.socket;
  core::Shard& shard = *shards_[socket.shard];
  if (socket.is_reset && !socket.sending.empty() && !socket.has_send_failed && random_.one_in(2)) {
    fail_send(peer);
  }
  if (socket.has_send_failed && !socket.send_failure_told && random_.one_in(2)) {
    socket.send_failure_told = true;
    shard.peer_closed(*socket.client, true, "send: Broken pipe", now_);
    return true;
  }
  const bool has_receive_failed =
      socket.is_reset && !socket.peer_end_told && !socket.has_octets() && !socket.is_paused;
  if (!has_receive_failed) return false;
  socket.peer_end_told = true;
  shard.peer_closed(*socket.client, true, "receive: Connection reset by peer", now_);
  return true;
}

void SimBroker::step() {
  disturb();
  if (random_.one_in(3)) {
    step_shard(any_shard());
  } else if (!present_.empty()) {
    (void)step_peer(anybody());
  }
}

void SimBroker::live_on() {
  for (int n = 0; n < 12; ++n) step();
  act();
}

void SimBroker::wait_until_connected() {
  const auto is_connected = [](const SimPeer* peer) { return peer->is_connected; };
  while (!std::all_of(present_.begin(), present_.end(), is_connected)) step();
}

bool SimBroker::is_quiet() {
  for (const auto& shard : shards_) {
    if (shard->has_ready() || shard->is_gathering() || shard->has_mail() || shard->has_overflow())
      return false;
    if (shard->post_mail() != 0) return false;
  }
  return true;
}

void SimBroker::run_until_quiet() {
  stalled_until_ = 0;
  for (int round = 0; round < 100'000; ++round) {
    bool did = false;
    // A peer may be released under way, so the list is walked from behind.
    for (size_t n = present_.size(); n-- > 0;) {
      present_[n]->stuck = 0;
      did |= step_peer(*present_[n]);
    }
    for (core::ShardId id = 0; id < shards_.size(); ++id) {
      core::Shard& shard = *shards_[id];
      (void)shard.take_mail(64, now_);
      (void)shard.post_mail();
      shard.fan_out(SIZE_MAX, now_);
      while (shard.has_ready()) flush(id), did = true;
      did |= tell_receive_changes(shard);
    }
    if (!did && is_quiet()) return;
    ++now_;
  }
  fail("does not come to rest");
}

void SimBroker::rest(core::Millis time) {
  run_until_quiet();
  now_ += time;
  for (auto& shard : shards_) shard->run_timers(now_);
  run_until_quiet();
}

void SimBroker::drain() {
  // Who has not said CONNECT is told in other ways; shard_ending_test has them.
  wait_until_connected();
  is_draining_ = true;
  std::vector<core::ShardId> untold(shards_.size());
  for (core::ShardId id = 0; id < shards_.size(); ++id) untold[id] = id;
  while (!untold.empty()) {
    const auto next = untold.begin() + static_cast<ptrdiff_t>(random_.below(untold.size()));
    shards_[*next]->begin_drain(now_);
    untold.erase(next);
    for (uint64_t acts = random_.below(60); acts > 0; --acts) live_on();
  }
  run_until_quiet();
}

void SimBroker::drain_one_by_one() {
  wait_until_connected();
  is_draining_ = is_leaving_one_by_one_ = true;
  const core::Millis leave_by = now_ + 1 + static_cast<core::Millis>(random_.below(300));
  const core::Millis end_at = leave_by + 20 + static_cast<core::Millis>(random_.below(200));
  std::vector<core::ShardId> untold(shards_.size());
  for (core::ShardId id = 0; id < shards_.size(); ++id) untold[id] = id;
  while (!untold.empty()) {
    const auto next = untold.begin() + static_cast<ptrdiff_t>(random_.below(untold.size()));
    shards_[*next]->begin_drain(now_, {.leave_by = leave_by, .end_at = end_at});
    untold.erase(next);
    for (uint64_t acts = random_.below(20); acts > 0; --acts) live_on();
  }
  while (now_ < end_at && !present_.empty()) {
    live_on();
    now_ += static_cast<core::Millis>(random_.below(3));
  }
  rest(50);
}

// -- What must hold.

void SimBroker::check_tables_are_empty() {
  // Who does not end its side is waited for no longer than the linger time; the duplicate windows
  // pass later.
  rest(2 * options_.close_linger_ms);
  rest(options_.dedup_time_ms + 10'000);
  if (!present_.empty()) fail("a connection was not released");
  for (const auto& shard : shards_) {
    const core::ShardTables tables = shard->tables();
    if (tables.clients + tables.subscriptions + tables.cursors + tables.groups + tables.topics +
            tables.destinations + tables.interested + tables.pattern_interests + tables.log_bytes !=
        0) {
      fail("a table is not empty");
    }
    if (tables.queues + tables.consumers + tables.queued + tables.unsettled + tables.queue_bytes !=
        0) {
      fail("a queue is left");
    }
    if (!shard->is_drained()) fail("not drained");
  }
}

}  // namespace stampede::sim
