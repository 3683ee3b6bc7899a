#include "tests/sim/sim_world.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "tests/sim/order_piece.h"

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
    : SimBroker(seed, scale.shards), scale_(scale) {
  let_happen(scale_.faults);
  // What a message-id repeats is known to the end, however the clock jumps.
  if (scale_.faults.clock_jumps) options_.dedup_time_ms = core::Millis{1'000} * 24 * 3'600'000;
  open_shards();
  canonical_.resize(scale_.destinations);
}

// -- What peers do.

SimWorld::Peer& SimWorld::open_peer() {
  auto owned = std::make_unique<Peer>();
  Peer& peer = *owned;
  open(std::move(owned), any_shard());
  return peer;
}

void SimWorld::open_publisher() {
  Peer& peer = open_peer();
  peer.publisher = static_cast<int>(publishers_.size());
  publishers_.push_back(&peer);
}

void SimWorld::on_broken(SimPeer& peer) {
  if (as_peer(peer).publisher >= 0 && !is_draining_) open_publisher();
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
  write(peer, peer.protocol->frame("SEND", headers, body_of(number)));
  send.end = peer.socket.written;
  sends_.push_back(send);
}

void SimWorld::leave(Peer& peer) {
  peer.is_leaving = true;
  switch (random_.below(4)) {
    case 0:
      write(peer, peer.protocol->frame("DISCONNECT", {{"receipt", "bye"}}));
      peer.receipts_expected.push_back("bye");
      break;
    case 1:
      end_stream(peer);
      break;
    case 2:
      write(peer, peer.protocol->frame("DISCONNECT", {}));
      break;
    default:
      cut(peer);
      break;
  }
}

void SimWorld::act() {
  if (present_.empty()) return;
  Peer& peer = as_peer(anybody());
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
    (void)open_peer();
  }
}

void SimWorld::on_frame(SimPeer& of_peer, const SimFrame& frame) {
  Peer& peer = as_peer(of_peer);
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
      Send& send = sends_[std::stoul(id.substr(1))];
      send.is_acknowledged = true;
      send.sends_before_receipt = sends_.size();
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

// -- A life.

void SimWorld::leave_all() {
  for (SimPeer* peer : std::vector<SimPeer*>(present_)) {
    if (!peer->is_leaving) leave(as_peer(*peer));
  }
}

SimWorld::Peer& SimWorld::populate() {
  // One only: on the other shards interest comes and goes with the subscribers.
  Peer& witness = open_peer();
  witness.is_witness = witness.is_spared = true;
  subscribe(witness, "/topic/#");
  for (uint32_t n = 0; n < scale_.publishers; ++n) open_publisher();
  run_until_quiet();
  if (!witness.subs[0]->is_live) fail("the witness is not subscribed");
  return witness;
}

void SimWorld::live(size_t sends) {
  sends_max_ = sends;
  while (sends_.size() < sends || arrivals_ < scale_.subscribers) {
    live_on();
    // Those who stay fill the places; then somebody leaves.
    Peer& somebody = as_peer(anybody());
    if (present_.size() >= scale_.subscribers_at_once && random_.one_in(3) &&
        somebody.is_connected && !somebody.is_leaving && !somebody.is_witness &&
        somebody.publisher < 0) {
      leave(somebody);
    }
  }
}

void SimWorld::run() {
  const Peer& witness = populate();
  live(scale_.sends);
  run_until_quiet();
  check_canonical(*witness.subs[0]);
  check_subscriptions();
  leave_all();
  check_tables_are_empty();
}

void SimWorld::run_with_drain() {
  const Peer& witness = populate();
  live(scale_.sends / 2);
  sends_max_ = scale_.sends;
  drain();
  check_canonical(*witness.subs[0]);
  check_subscriptions();
  check_farewells();
  check_tables_are_empty();
}

void SimWorld::run_with_spread_drain() {
  const Peer& witness = populate();
  live(scale_.sends / 2);
  arrivals_ = scale_.subscribers;
  sends_max_ = scale_.sends;
  for (Send& send : sends_) send.is_acknowledged_before_drain = send.is_acknowledged;
  drain_one_by_one();
  check_those_who_left_early(*witness.subs[0]);
  check_farewells();
  check_tables_are_empty();
}

// -- What must hold.

void SimWorld::check_those_who_left_early(const Sub& witness) const {
  check_left_early(witness);
  std::vector<size_t> place(sends_.size(), SIZE_MAX);
  for (size_t n = 0; n < witness.received.size(); ++n) place[witness.received[n]] = n;
  for (const auto& of_peer : peers_) {
    const auto& peer = static_cast<const Peer&>(*of_peer);
    for (const auto& sub : peer.subs) {
      if (!peer.is_leaving && !sub->is_ending && sub->is_live) check_left_early(*sub);
      std::map<uint32_t, size_t> last_of;  // by destination
      for (const uint32_t number : sub->received) {
        size_t& last = last_of.try_emplace(sends_[number].destination, 0).first->second;
        // What the witness did not see any more comes behind what it saw.
        if (place[number] < last) fail("not in the order that the witness saw");
        last = place[number];
      }
    }
  }
}

void SimWorld::check_left_early(const Sub& sub) const {
  std::vector<uint32_t> seen(sends_.size(), 0);
  for (const uint32_t number : sub.received) {
    if (++seen[number] > 1) fail("a message came twice");
  }
  for (size_t number = sub.sends_before_live; number < sends_.size(); ++number) {
    const Send& send = sends_[number];
    const bool is_due = send.is_acknowledged_before_drain && !send.is_duplicate;
    if (is_due && sub_matches(sub, send.destination) && seen[number] == 0)
      fail("SEND " + std::to_string(number) + " had its RECEIPT before the drain began");
  }
}

void SimWorld::check_canonical(const Sub& witness) {
  for (const uint32_t number : witness.received) {
    canonical_[sends_[number].destination].push_back(number);
  }
  std::vector<uint32_t> seen(sends_.size(), 0);
  for (const auto& order : canonical_) {
    check_order_of_receipts(order);
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
    const bool stayed = !is_draining_ && !publisher->is_leaving;
    if (stayed && !publisher->receipts_expected.empty()) fail("a receipt did not come");
  }
}

void SimWorld::check_order_of_receipts(const std::vector<uint32_t>& order) const {
  uint32_t newest = 0;
  for (const uint32_t number : order) {
    newest = std::max(newest, number);
    const Send& send = sends_[number];
    if (send.is_acknowledged && newest >= send.sends_before_receipt)
      fail("SEND " + std::to_string(newest) + " was written behind the RECEIPT of SEND " +
           std::to_string(number) + " and published before it");
  }
}

void SimWorld::check_sends_taken(const std::vector<uint32_t>& seen) {
  std::vector<WrittenSend> written;
  for (size_t number = 0; number < sends_.size(); ++number) {
    const Send& send = sends_[number];
    written.push_back({.publisher = publishers_[static_cast<size_t>(send.publisher)],
                       .end = send.end,
                       .is_duplicate = send.is_duplicate,
                       .is_acknowledged = send.is_acknowledged,
                       .times_seen = seen[number]});
    sends_lost_ += seen[number] == 0 && !send.is_duplicate ? 1 : 0;
  }
  check_published(written);
}

bool SimWorld::sub_matches(const Sub& sub, uint32_t destination) {
  return sub.destination == destination_name(destination) ||
         (sub.destination.find_first_of("*#") != std::string::npos &&
          (sub.destination == "/topic/#" || pattern_matches(sub.destination, destination)));
}

void SimWorld::check_subscriptions() {
  for (const auto& of_peer : peers_) {
    const Peer& peer = as_peer(*of_peer);
    const bool stayed = (!peer.is_released || is_draining_) && !peer.is_leaving;
    for (const auto& sub : peer.subs) {
      // A drain may come before a SUBSCRIBE, but not between it and its RECEIPT.
      if (stayed && !sub->is_live && (!is_draining_ || !sub->received.empty()))
        fail("a SUBSCRIBE was not answered");
      for (uint32_t d = 0; d < scale_.destinations; ++d) {
        const bool matches = sub_matches(*sub, d);
        std::vector<uint32_t> got;
        for (const uint32_t number : sub->received) {
          if (sends_[number].destination == d) got.push_back(number);
        }
        if (!matches && !got.empty()) fail("a message of another destination");
        if (!matches) continue;
        const bool reaches_end = stayed && !sub->is_ending && sub->is_live;
        check_piece(canonical_[d], got, reaches_end, [&](uint32_t number) {
          return sub->is_live && number >= sub->sends_before_live;
        });
      }
    }
  }
}

void SimWorld::check_farewells() const {
  if (!present_.empty()) fail("the drain left a client");
  for (const auto& of_peer : peers_) {
    const Peer& peer = as_peer(*of_peer);
    if (peer.is_leaving) continue;
    if (peer.is_cut) fail("the drain cut a client");
    const bool is_told =
        peer.protocol->is_websocket() ? peer.protocol->close_code() == 1012 : peer.is_dismissed;
    if (!is_told) fail("the drain did not say goodbye");
  }
}

}  // namespace stampede::sim
