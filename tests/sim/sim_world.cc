#include "tests/sim/sim_world.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace stampede::sim {

namespace {

std::string destination_name(uint32_t index) {
  // Both separators, so that patterns meet both.
  return index % 2 == 0 ? "/topic/room." + std::to_string(index)
                        : "/topic/feed/" + std::to_string(index);
}

const std::array<const char*, 5> kPatterns = {"/topic/room.*", "/topic/feed/#", "/topic.*.7",
                                              "/topic/**", "/topic/*/1"};

bool pattern_matches(const std::string& pattern, uint32_t index) {
  const bool is_room = index % 2 == 0;
  if (pattern == "/topic/room.*") return is_room;
  if (pattern == "/topic/feed/#") return !is_room;
  if (pattern == "/topic.*.7") return index == 7;
  if (pattern == "/topic/*/1") return index == 1;
  return true;
}

}  // namespace

SimWorld::SimWorld(uint64_t seed, const SimScale& scale)
    : random_(seed),
      scale_(scale),
      seed_(seed),
      mailboxes_(scale.shards, size_t{4} << random_.below(6)) {
  options_.boot_id = 1 + random_.below(1'000'000'000);
  options_.heart_beat_send_ms = options_.heart_beat_receive_ms = 0;
  options_.send_bytes_max = random_.one_in(2) ? 64 * 1024 : 700;
  options_.frame_bytes_max = 1 << 20;
  options_.publisher_lead_bytes_max = random_.one_in(2) ? 2'000 : 256 * 1024;
  // A peer that does not read for a while is not what is tested here: only the clock ends it.
  options_.slow_consumer_bytes = 64 << 20;
  upgrade_ = {
      .paths = {"/stomp"}, .head_bytes_max = 8192, .headers_max = 64, .allowed_origins = {"*"}};
  for (core::ShardId id = 0; id < scale_.shards; ++id) {
    shards_.push_back(std::make_unique<core::Shard>(id, scale_.shards, options_, mailboxes_,
                                                    static_cast<core::ShardObserver&>(*this)));
  }
  canonical_.resize(scale_.destinations);
  mail_stall_.resize(scale_.shards);
}

// Shards that end with clients close them, which by then means nothing.
SimWorld::~SimWorld() { is_over_ = true; }

void SimWorld::on_client_closed(const core::ClosedClient& client) {
  switch (client.reason) {
    case core::CloseReason::kClientDisconnect:
    case core::CloseReason::kPeerClosed:
    case core::CloseReason::kPeerReset:
      return;
    default:
      if (is_draining_ && client.reason == core::CloseReason::kDrain) return;
      if (!is_over_)
        fail("closed a client: " + std::string(to_string(client.reason)) + " " +
             std::string(client.detail));
  }
}

void SimWorld::fail(const std::string& what) const {
  throw std::runtime_error(what + "\nreplay: STAMPEDE_SIM_FIRST_SEED=" + std::to_string(seed_) +
                           " STAMPEDE_SIM_SEEDS=1 simulation_test");
}

// -- What peers do.

SimWorld::Peer& SimWorld::open_peer(uint32_t shard) {
  auto owned = std::make_unique<Peer>();
  Peer& peer = *owned;
  peer.index = static_cast<uint32_t>(peers_.size());
  const bool is_websocket = !random_.one_in(3);
  const int version = 10 + static_cast<int>(random_.below(3));
  peer.protocol = std::make_unique<SimClient>(is_websocket, version, random_);
  peer.socket.shard = shard;
  peer.socket.client = shards_[shard]->open(
      {.transport = is_websocket ? core::Transport::kWebSocket : core::Transport::kTcp,
       .upgrade = is_websocket ? &upgrade_ : nullptr,
       .peer = "10.0.0.1:1"},
      peer.index, now_);
  if (is_websocket) write(peer, peer.protocol->handshake());
  const std::string offer = version == 12 ? "1.0,1.1,1.2" : version == 11 ? "1.1,1.0" : "1.0";
  write(peer, peer.protocol->frame(random_.one_in(2) ? "CONNECT" : "STOMP",
                                   {{"accept-version", offer}, {"host", "sim"}}));
  present_.push_back(&peer);
  peers_.push_back(std::move(owned));
  return peer;
}

void SimWorld::subscribe(Peer& peer, const std::string& destination) {
  auto sub = std::make_unique<Sub>();
  // Most share an id, as stompjs's clients do; some make up their own. Some need escapes.
  sub->id = random_.one_in(4)
                ? "my:" + std::to_string(peer.index) + "-" + std::to_string(peer.subs.size())
                : "sub-" + std::to_string(peer.subs.size());
  sub->destination = destination;
  const std::string receipt = "s" + std::to_string(peer.subs.size());
  write(peer,
        peer.protocol->frame(
            "SUBSCRIBE", {{"id", sub->id}, {"destination", destination}, {"receipt", receipt}}));
  peer.receipts_expected.push_back(receipt);
  peer.subs.push_back(std::move(sub));
}

void SimWorld::unsubscribe(Peer& peer, Sub& sub) {
  sub.is_ending = true;
  const std::string receipt = "u" + sub.id;
  write(peer, peer.protocol->frame("UNSUBSCRIBE", {{"id", sub.id}, {"receipt", receipt}}));
  peer.receipts_expected.push_back(receipt);
}

std::string SimWorld::body_of(uint32_t number) const {
  std::string body = std::to_string(number) + ":";
  // Small ones, some around a chunk's sizes, and now and then one that is referenced instead of
  // copied.
  const size_t filler = number % 97 == 13 ? 40'000 : number % 11 == 3 ? 3'000 : number % 60;
  body.append(filler, static_cast<char>('a' + number % 26));
  return body;
}

void SimWorld::publish(Peer& peer) {
  const auto number = static_cast<uint32_t>(sends_.size());
  Send send;
  send.destination = static_cast<uint32_t>(random_.below(scale_.destinations));
  if (random_.one_in(3))
    send.destination = static_cast<uint32_t>(random_.below(3));  // some are hot
  send.publisher = peer.publisher;
  std::vector<std::pair<std::string, std::string>> headers = {
      {"destination", destination_name(send.destination)},
      {"tag", peer.protocol->version() == 10 ? "x" : "a:b\\c"}};
  if (random_.one_in(5)) {
    // Of its own: which of two publishers' SENDs comes first would be chance.
    send.message_id =
        "id:" + std::to_string(peer.publisher) + ":" + std::to_string(random_.below(6));
    headers.emplace_back("message-id", send.message_id);
    for (const Send& earlier : sends_) {
      send.is_duplicate |=
          earlier.destination == send.destination && earlier.message_id == send.message_id;
    }
  }
  if (random_.one_in(3)) {
    const std::string receipt = "p" + std::to_string(number);
    headers.emplace_back("receipt", receipt);
    peer.receipts_expected.push_back(receipt);
  }
  sends_.push_back(send);
  write(peer, peer.protocol->frame("SEND", headers, body_of(number)));
}

void SimWorld::leave(Peer& peer) {
  peer.is_leaving = true;
  switch (random_.below(4)) {
    case 0:
      write(peer, peer.protocol->frame("DISCONNECT", {{"receipt", "bye"}}));
      peer.receipts_expected.push_back("bye");
      break;
    case 1:
      peer.socket.peer_ended = true;
      break;
    case 2:
      write(peer, peer.protocol->frame("DISCONNECT", {}));
      break;
    default:
      peer.is_cut = true;
      shards_[peer.socket.shard]->peer_closed(*peer.socket.client, true, "reset", now_);
      break;
  }
}

void SimWorld::act() {
  if (present_.empty()) return;
  Peer& peer = *present_[random_.below(present_.size())];
  const bool can_act = peer.is_connected && !peer.is_leaving;
  if (peer.publisher >= 0) {
    if (can_act && sends_.size() < sends_max_) {
      for (uint64_t burst = 1 + random_.below(4); burst > 0; --burst) publish(peer);
    }
    return;
  }
  if (can_act && !peer.is_witness) {
    switch (random_.below(5)) {
      case 0:
        subscribe(peer, random_.one_in(4) ? kPatterns[random_.below(kPatterns.size())]
                                          : destination_name(static_cast<uint32_t>(random_.below(
                                                random_.one_in(2) ? 3 : scale_.destinations))));
        break;
      case 1: {
        if (peer.subs.empty()) break;
        Sub& sub = *peer.subs[random_.below(peer.subs.size())];
        if (sub.is_live && !sub.is_ending) unsubscribe(peer, sub);
        break;
      }
      case 2:
        if (peer.subs.size() > 1) leave(peer);
        break;
      case 3:
        peer.stuck = static_cast<uint32_t>(random_.below(60));
        break;
      default:
        write(peer, random_.one_in(2) ? peer.protocol->heart_beat() : peer.protocol->ping());
    }
  }
  if (arrivals_ < scale_.subscribers && present_.size() < scale_.subscribers_at_once) {
    ++arrivals_;
    (void)open_peer(static_cast<uint32_t>(random_.below(scale_.shards)));
  }
}

void SimWorld::on_frame(Peer& peer, const SimFrame& frame) {
  if (peer.is_dismissed) fail("a frame behind the ERROR");
  if (frame.command == "CONNECTED") {
    const std::string expected = "1." + std::to_string(peer.protocol->version() - 10);
    if (frame.headers.at("version") != expected) fail("wrong version");
    peer.is_connected = true;
  } else if (frame.command == "MESSAGE") {
    on_message(peer, frame);
  } else if (frame.command == "RECEIPT") {
    const std::string& id = frame.headers.at("receipt-id");
    if (peer.receipts_expected.empty() || peer.receipts_expected.front() != id)
      fail("receipt out of order: " + id);
    peer.receipts_expected.pop_front();
    if (id[0] == 's') {
      Sub& sub = *peer.subs[std::stoul(id.substr(1))];
      sub.is_live = true;
      sub.sends_before_live = sends_.size();
    } else if (id[0] == 'u') {
      for (auto& sub : peer.subs) sub->is_ended |= sub->id == id.substr(1);
    } else if (id[0] == 'p') {
      sends_[std::stoul(id.substr(1))].is_acknowledged = true;
    }
  } else if (is_draining_ && frame.command == "ERROR" &&
             frame.headers.at("message") == "server-draining") {
    peer.is_dismissed = true;
  } else {
    fail("unexpected " + frame.command + " " +
         (frame.headers.contains("message") ? frame.headers.at("message") : ""));
  }
}

void SimWorld::on_message(Peer& peer, const SimFrame& frame) {
  const std::string& id = frame.headers.at("subscription");
  const auto sub =
      std::find_if(peer.subs.begin(), peer.subs.end(), [&](const auto& s) { return s->id == id; });
  if (sub == peer.subs.end()) fail("a message for no subscription");
  if ((*sub)->is_ended) fail("a message behind the receipt of UNSUBSCRIBE");
  const auto number = static_cast<uint32_t>(std::stoul(frame.body));
  if (number >= sends_.size() || frame.body != body_of(number)) fail("a body that nobody sent");
  if (frame.headers.at("destination") != destination_name(sends_[number].destination))
    fail("wrong destination");
  if (!frame.headers.contains("tag") || frame.headers.contains("receipt")) fail("wrong headers");
  if (!sends_[number].message_id.empty() &&
      frame.headers.at("message-id") != sends_[number].message_id) {
    fail("wrong message-id");
  }
  (*sub)->received.push_back(number);
}

// -- What happens to the broker.

void SimWorld::flush(core::ShardId shard) {
  std::array<core::SendSpan, core::kSendSpansMax> spans;
  core::FlushPlan plan{};
  core::Client* client = shards_[shard]->next_flush(spans, plan, now_);
  if (client == nullptr) return;
  Peer& peer = *peers_[core::Shard::handle_of(*client)];
  SimSocket& socket = peer.socket;
  switch (plan.action) {
    case core::FlushAction::kNothing:
      break;
    case core::FlushAction::kSend:
      if (socket.has_operation || socket.is_shutdown) fail("a second operation");
      socket.has_operation = true;
      socket.sending.assign(spans.begin(), spans.begin() + static_cast<ptrdiff_t>(plan.spans));
      socket.sending_copy = read_spans(socket.sending);
      if (socket.sending_copy.size() != plan.bytes || plan.bytes == 0) fail("wrong size of a plan");
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

void SimWorld::complete(Peer& peer) {
  SimSocket& socket = peer.socket;
  if (!socket.sending.empty() && read_spans(socket.sending) != socket.sending_copy)
    fail("octets changed in flight");
  socket.has_operation = false;
  socket.sending.clear();
  socket.to_peer += std::exchange(socket.sending_copy, {});
  shards_[socket.shard]->sent(*socket.client, now_);
}

// One thing that may happen on this peer's connection; false if there is none.
bool SimWorld::step_peer(Peer& peer) {
  SimSocket& socket = peer.socket;
  core::Shard& shard = *shards_[socket.shard];
  if (socket.is_aborted) {
    if (!socket.sending.empty() && read_spans(socket.sending) != socket.sending_copy)
      fail("octets changed in flight");
    // Part of what was under way may have reached the peer.
    socket.to_peer += socket.sending_copy.substr(0, random_.below(socket.sending_copy.size() + 1));
    peer.is_cut |= !socket.sending.empty();
    shard.release(*socket.client);
    socket.client = nullptr;
    peer.is_released = true;
    present_.erase(std::find(present_.begin(), present_.end(), &peer));
    for (const SimFrame& frame : peer.protocol->read(std::exchange(socket.to_peer, {})))
      on_frame(peer, frame);
    if (!peer.is_cut) peer.protocol->check_end();
    return true;
  }
  if (!socket.to_peer.empty() && random_.one_in(2)) {
    for (const SimFrame& frame : peer.protocol->read(std::exchange(socket.to_peer, {})))
      on_frame(peer, frame);
    return true;
  }
  if (socket.has_operation && peer.stuck == 0 && random_.one_in(2)) {
    complete(peer);
    return true;
  }
  if (peer.stuck > 0) --peer.stuck;
  if (socket.has_octets() && !core::Shard::receive_paused(*socket.client)) {
    const std::string octets = socket.take_some(random_);
    shard.receive(*socket.client, {reinterpret_cast<const uint8_t*>(octets.data()), octets.size()},
                  now_);
    return true;
  }
  if ((socket.peer_ended || socket.is_shutdown) && !socket.has_octets() && !socket.peer_end_told) {
    socket.peer_end_told = true;
    shard.peer_closed(*socket.client, false, {}, now_);
    return true;
  }
  return socket.has_octets() || socket.has_operation || !socket.to_peer.empty();
}

void SimWorld::step_shard(core::ShardId id) {
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
      now_ += static_cast<core::Millis>(random_.below(2));
      shard.run_timers(now_);
      break;
    case 3:
      while (shard.next_receive_change() != nullptr) {
      }
      break;
    case 4:
      shard.fan_out(1 + random_.below(8), now_);
      break;
    default:
      for (uint64_t count = 1 + random_.below(8); count > 0 && shard.has_ready(); --count)
        flush(id);
  }
}

void SimWorld::step() {
  if (random_.one_in(3)) {
    step_shard(static_cast<core::ShardId>(random_.below(scale_.shards)));
  } else if (!present_.empty()) {
    (void)step_peer(*present_[random_.below(present_.size())]);
  }
}

bool SimWorld::is_quiet() {
  for (const auto& shard : shards_) {
    if (shard->has_ready() || shard->is_gathering() || shard->has_mail() || shard->has_overflow())
      return false;
    if (shard->post_mail() != 0) return false;
  }
  return true;
}

void SimWorld::run_until_quiet() {
  for (int round = 0; round < 100'000; ++round) {
    bool did = false;
    // A peer may be released under way, so the list is walked from behind.
    for (size_t n = present_.size(); n-- > 0;) {
      present_[n]->stuck = 0;
      did |= step_peer(*present_[n]);
    }
    for (core::ShardId id = 0; id < scale_.shards; ++id) {
      core::Shard& shard = *shards_[id];
      (void)shard.take_mail(64, now_);
      (void)shard.post_mail();
      shard.fan_out(SIZE_MAX, now_);
      while (shard.has_ready()) flush(id), did = true;
    }
    if (!did && is_quiet()) return;
    ++now_;
  }
  fail("does not come to rest");
}

SimWorld::Peer& SimWorld::populate() {
  // One only: on the other shards interest comes and goes with the subscribers.
  Peer& witness = open_peer(static_cast<uint32_t>(random_.below(scale_.shards)));
  witness.is_witness = true;
  subscribe(witness, "/topic/#");
  for (uint32_t n = 0; n < scale_.publishers; ++n) {
    Peer& peer = open_peer(static_cast<uint32_t>(random_.below(scale_.shards)));
    peer.publisher = static_cast<int>(n);
    publishers_.push_back(&peer);
  }
  run_until_quiet();
  if (!witness.subs[0]->is_live) fail("the witness is not subscribed");
  return witness;
}

void SimWorld::live(size_t sends) {
  sends_max_ = sends;
  while (sends_.size() < sends || arrivals_ < scale_.subscribers) {
    for (int n = 0; n < 12; ++n) step();
    act();
    // Those who stay fill the places; then somebody leaves.
    Peer& somebody = *present_[random_.below(present_.size())];
    if (present_.size() >= scale_.subscribers_at_once && random_.one_in(3) &&
        somebody.is_connected && !somebody.is_leaving && !somebody.is_witness &&
        somebody.publisher < 0) {
      leave(somebody);
    }
  }
}

void SimWorld::drain() {
  // Who has not said CONNECT is told in other ways; shard_ending_test has them.
  const auto is_connected = [](const Peer* peer) { return peer->is_connected; };
  while (!std::all_of(present_.begin(), present_.end(), is_connected)) step();
  is_draining_ = true;
  sends_max_ = scale_.sends;
  std::vector<core::ShardId> untold(scale_.shards);
  for (core::ShardId id = 0; id < scale_.shards; ++id) untold[id] = id;
  while (!untold.empty()) {
    const auto next = untold.begin() + static_cast<ptrdiff_t>(random_.below(untold.size()));
    shards_[*next]->begin_drain(now_);
    untold.erase(next);
    for (uint64_t acts = random_.below(60); acts > 0; --acts) {
      for (int n = 0; n < 12; ++n) step();
      act();
    }
  }
  run_until_quiet();
}

void SimWorld::run() {
  const Peer& witness = populate();
  live(scale_.sends);
  run_until_quiet();
  check_canonical(*witness.subs[0]);
  check_subscriptions();
  check_tables_are_empty();
}

void SimWorld::run_with_drain() {
  const Peer& witness = populate();
  live(scale_.sends / 2);
  drain();
  check_canonical(*witness.subs[0]);
  check_subscriptions();
  check_farewells();
  check_tables_are_empty();
}

// -- What must hold.

void SimWorld::check_canonical(const Sub& witness) {
  for (const uint32_t number : witness.received) {
    canonical_[sends_[number].destination].push_back(number);
  }
  std::vector<uint32_t> seen(sends_.size(), 0);
  for (const auto& order : canonical_) {
    std::map<int, uint32_t> last_of;
    for (const uint32_t number : order) {
      ++seen[number];
      const auto [last, is_first] = last_of.try_emplace(sends_[number].publisher, number);
      if (!is_first && last->second >= number) fail("a publisher's order was not kept");
      last->second = number;
    }
  }
  check_sends_taken(seen);
  for (const Peer* publisher : publishers_) {
    if (!is_draining_ && !publisher->receipts_expected.empty()) fail("a receipt did not come");
  }
}

// A drain takes each publisher at its word up to some frame; without one that is the last.
void SimWorld::check_sends_taken(const std::vector<uint32_t>& seen) const {
  std::vector<bool> is_cut(scale_.publishers, false);
  for (size_t number = 0; number < sends_.size(); ++number) {
    const Send& send = sends_[number];
    const auto publisher = static_cast<size_t>(send.publisher);
    if (send.is_duplicate ? seen[number] == 0 : seen[number] == 1 && !is_cut[publisher]) continue;
    const bool may_be_missing = is_draining_ && !send.is_duplicate && !send.is_acknowledged;
    if (seen[number] > 0 || !may_be_missing) {
      fail("SEND " + std::to_string(number) + " was delivered " + std::to_string(seen[number]) +
           " times" + (is_cut[publisher] ? " behind one that was not" : ""));
    }
    is_cut[publisher] = true;
  }
}

void SimWorld::check_subscriptions() {
  for (const auto& peer : peers_) {
    const bool stayed = (!peer->is_released || is_draining_) && !peer->is_leaving;
    for (const auto& sub : peer->subs) {
      // A drain may come before a SUBSCRIBE, but not between it and its RECEIPT.
      if (stayed && !sub->is_live && (!is_draining_ || !sub->received.empty()))
        fail("a SUBSCRIBE was not answered");
      for (uint32_t d = 0; d < scale_.destinations; ++d) {
        const bool matches =
            sub->destination == destination_name(d) ||
            (sub->destination.find_first_of("*#") != std::string::npos &&
             (sub->destination == "/topic/#" || pattern_matches(sub->destination, d)));
        std::vector<uint32_t> got;
        for (const uint32_t number : sub->received) {
          if (sends_[number].destination == d) got.push_back(number);
        }
        if (!matches && !got.empty()) fail("a message of another destination");
        if (!matches) continue;
        const std::vector<uint32_t>& order = canonical_[d];
        const auto begin =
            got.empty() ? order.end() : std::find(order.begin(), order.end(), got.front());
        const bool is_piece = static_cast<size_t>(order.end() - begin) >= got.size() &&
                              std::equal(got.begin(), got.end(), begin);
        if (!is_piece) fail("not a piece of the order of destination " + std::to_string(d));
        const bool reaches_end = stayed && !sub->is_ending && sub->is_live;
        if (reaches_end && begin + static_cast<ptrdiff_t>(got.size()) != order.end())
          fail("the end is missing");
        // Who left may have left before the first message that it was sure to get.
        if (!sub->is_live || (got.empty() && !reaches_end)) continue;
        const auto needed = std::find_if(order.begin(), order.end(), [&](uint32_t number) {
          return number >= sub->sends_before_live;
        });
        if (needed < begin) fail("a message after the RECEIPT of SUBSCRIBE is missing");
      }
    }
  }
}

void SimWorld::check_farewells() const {
  if (!present_.empty()) fail("the drain left a client");
  for (const auto& peer : peers_) {
    if (peer->is_leaving) continue;
    if (peer->is_cut) fail("the drain cut a client");
    const bool is_told =
        peer->protocol->is_websocket() ? peer->protocol->close_code() == 1001 : peer->is_dismissed;
    if (!is_told) fail("the drain did not say goodbye");
  }
}

void SimWorld::check_tables_are_empty() {
  for (Peer* peer : std::vector<Peer*>(present_)) {
    if (!peer->is_leaving) leave(*peer);
  }
  run_until_quiet();
  // Who does not end its side is waited for no longer than the linger time; the duplicate windows
  // pass later.
  for (const core::Millis wait : {2'000, 130'000}) {
    now_ += wait;
    for (auto& shard : shards_) shard->run_timers(now_);
    run_until_quiet();
  }
  if (!present_.empty()) fail("a connection was not released");
  for (auto& shard : shards_) {
    const core::ShardTables tables = shard->tables();
    if (tables.clients + tables.subscriptions + tables.cursors + tables.groups + tables.topics +
            tables.destinations + tables.interested + tables.pattern_interests + tables.log_bytes !=
        0) {
      fail("a table is not empty");
    }
    if (!shard->is_drained()) fail("not drained");
  }
}

}  // namespace stampede::sim
