#include "tests/sim/slow_world.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace stampede::sim {

namespace {

constexpr std::array<std::string_view, 6> kDestinations = {
    "/topic/old", "/topic/new", "/topic/latest", "/topic/keyed", "/topic/of.a", "/topic/of.b"};
constexpr std::string_view kPattern = "/topic/of.*";
constexpr size_t kPublishers = 4;
constexpr size_t kReaders = 16;
constexpr size_t kSends = 600;

}  // namespace

SlowWorld::SlowWorld(uint64_t seed, core::ShardId shards, const SimFaults& faults)
    : SimBroker(seed, shards) {
  let_happen(faults);
  const std::string bytes = " bytes=" + std::to_string(1'000 + random_.below(20'000));
  for (const char* rule : {"drop-old /topic/old", "drop-new /topic/new", "conflate /topic/latest",
                           "conflate /topic/keyed key=k", "conflate /topic/of.*"}) {
    options_.slow_consumer.push_back(*core::parse_slow_rule(rule + bytes));
  }
  open_shards();
  canonical_.resize(kDestinations.size());
}

SlowWorld::Peer& SlowWorld::open_peer() {
  auto owned = std::make_unique<Peer>();
  Peer& peer = *owned;
  open(std::move(owned), any_shard());
  return peer;
}

SlowWorld::Peer& SlowWorld::open_publisher() {
  Peer& peer = open_peer();
  peer.is_publisher = true;
  return peer;
}

void SlowWorld::on_broken(SimPeer& peer) {
  const auto publisher = std::ranges::find(publishers_, &peer);
  if (publisher != publishers_.end()) *publisher = &open_publisher();
}

void SlowWorld::subscribe(Peer& peer, const std::string& destination) {
  auto sub = std::make_unique<Sub>();
  const std::string number = std::to_string(peer.subs.size());
  sub->id = random_.one_in(3) ? "mine-" + std::to_string(peer.index) + "-" + number : number;
  sub->destination = destination;
  std::vector<std::pair<std::string, std::string>> headers = {
      {"id", sub->id}, {"destination", destination}, {"receipt", "s" + number}};
  // Acknowledging by id alone is 1.2's.
  if (!peer.is_witness && peer.protocol->version() == 12 && random_.one_in(4)) {
    headers.emplace_back("ack", "client");
    headers.emplace_back("prefetch-count", std::to_string(1 + random_.below(9)));
  }
  write(peer, peer.protocol->frame("SUBSCRIBE", headers));
  peer.subs.push_back(std::move(sub));
}

void SlowWorld::publish(Peer& peer, size_t destination) {
  const auto number = static_cast<uint32_t>(destination_of_.size());
  destination_of_.push_back(static_cast<uint32_t>(destination));
  std::string body = std::to_string(number) + ":";
  body.append(number % 61 == 7 ? 40'000 : number % 9 == 2 ? 2'000 : number % 90, 'x');
  write(peer, peer.protocol->frame("SEND",
                                   {{"destination", std::string(kDestinations[destination])},
                                    {"k", std::to_string(random_.below(4))}},
                                   body));
  sends_.push_back({.publisher = &peer, .end = peer.socket.written});
}

bool SlowWorld::acknowledge(Peer& peer) {
  bool did = false;
  for (const auto& sub : peer.subs) {
    const std::string ack = std::exchange(sub->to_acknowledge, {});
    if (ack.empty() || sub->is_ended) continue;
    write(peer, peer.protocol->frame("ACK", {{"id", ack}}));
    did = true;
  }
  return did;
}

void SlowWorld::settle() {
  for (bool is_busy = true; is_busy;) {
    run_until_quiet();
    is_busy = false;
    for (SimPeer* peer : std::vector<SimPeer*>(present_)) {
      if (!peer->is_leaving) is_busy |= acknowledge(as_peer(*peer));
    }
  }
}

void SlowWorld::act() {
  Peer& peer = as_peer(anybody());
  if (!peer.is_connected || peer.is_leaving || peer.is_witness) return;
  if (peer.is_publisher) {
    for (uint64_t burst = 1 + random_.below(6); burst > 0 && destination_of_.size() < sends_max_;
         --burst) {
      publish(peer, random_.below(kDestinations.size()));
    }
    return;
  }
  switch (random_.below(8)) {
    case 0:
      if (peer.subs.size() < 4) {
        subscribe(peer, random_.one_in(4)
                            ? std::string(kPattern)
                            : std::string(kDestinations[random_.below(kDestinations.size())]));
      }
      break;
    case 1:
      (void)acknowledge(peer);
      break;
    case 2:
      if (!peer.subs.empty() && random_.one_in(10)) {
        Sub& sub = *peer.subs[random_.below(peer.subs.size())];
        if (sub.is_live && !std::exchange(sub.is_ended, true)) {
          write(peer, peer.protocol->frame("UNSUBSCRIBE", {{"id", sub.id}}));
        }
      }
      break;
    case 3:
      if (random_.one_in(30)) cut(peer);
      break;
    default:
      peer.stuck = static_cast<uint32_t>(random_.below(400));
  }
}

void SlowWorld::on_frame(SimPeer& of_peer, const SimFrame& frame) {
  Peer& peer = as_peer(of_peer);
  if (frame.command == "CONNECTED") {
    peer.is_connected = true;
  } else if (frame.command == "RECEIPT") {
    Sub& sub = *peer.subs[std::stoul(frame.headers.at("receipt-id").substr(1))];
    sub.is_live = true;
    sub.sends_before_live = destination_of_.size();
  } else if (frame.command == "MESSAGE") {
    const std::string& id = frame.headers.at("subscription");
    const auto sub = std::ranges::find(peer.subs, id, [](const auto& one) { return one->id; });
    if (sub == peer.subs.end()) fail("a message for no subscription");
    const auto dropped = frame.headers.find("dropped");
    (*sub)->got.push_back(
        {.number = static_cast<uint32_t>(std::stoul(frame.body)),
         .missed = dropped == frame.headers.end() ? 0 : std::stoull(dropped->second)});
    if (const auto ack = frame.headers.find("ack"); ack != frame.headers.end()) {
      (*sub)->to_acknowledge = ack->second;
    }
  } else {
    fail("unexpected " + frame.command);
  }
}

void SlowWorld::run() {
  Peer& witness = open_peer();
  witness.is_witness = witness.is_spared = true;
  subscribe(witness, "/topic/#");
  for (size_t n = 0; n < kPublishers; ++n) publishers_.push_back(&open_publisher());
  for (size_t n = 0; n < kReaders; ++n) (void)open_peer();
  run_until_quiet();
  sends_max_ = kSends;
  while (destination_of_.size() < sends_max_) live_on();
  settle();
  // What was missed is said by the message that comes after it.
  for (size_t destination = 0; destination < kDestinations.size(); ++destination) {
    publish(*publishers_.front(), destination);
  }
  settle();
  check_all_is_published(*witness.subs[0]);
  for (const auto& of_peer : peers_) {
    const Peer& peer = as_peer(*of_peer);
    if (peer.is_witness) continue;
    for (const auto& sub : peer.subs) check(*sub, !peer.is_leaving && !sub->is_ended);
  }
  for (SimPeer* peer : std::vector<SimPeer*>(present_)) end_stream(*peer);
  check_tables_are_empty();
}

uint64_t SlowWorld::missed() const {
  uint64_t sum = 0;
  for (const auto& peer : peers_) {
    for (const auto& sub : as_peer(*peer).subs) {
      for (const Got& got : sub->got) sum += got.missed;
    }
  }
  return sum;
}

void SlowWorld::check_all_is_published(const Sub& witness) {
  for (const Got& got : witness.got) {
    if (got.missed != 0) fail("the one who sees all missed a message");
    canonical_[destination_of_[got.number]].push_back(got.number);
    ++sends_[got.number].times_seen;
  }
  check_published(sends_);
}

void SlowWorld::check(const Sub& sub, bool stayed) const {
  const bool is_pattern = sub.destination == kPattern;
  for (size_t d = 0; d < kDestinations.size(); ++d) {
    const bool matches = is_pattern ? kDestinations[d].starts_with("/topic/of.")
                                    : kDestinations[d] == sub.destination;
    const std::vector<uint32_t>& order = canonical_[d];
    // Where the next one stands in the order; -1 before the first one.
    int64_t next = -1;
    for (const Got& got : sub.got) {
      if (destination_of_[got.number] != d) continue;
      if (!matches) fail("a message of another destination");
      const auto found = std::ranges::find(order, got.number);
      if (found == order.end()) fail("a message that the witness did not see");
      const int64_t place = found - order.begin();
      if (place < next) fail("out of order, or twice");
      if (!is_pattern) {
        const int64_t begin = place - static_cast<int64_t>(got.missed);
        if (next >= 0 && begin != next) fail("another number was missed than was said");
        if (next < 0 && begin > 0 && sub.is_live &&
            order[static_cast<size_t>(begin) - 1] >= sub.sends_before_live) {
          fail("begins too late");
        }
      }
      next = place + 1;
    }
    if (matches && stayed && sub.is_live && next != static_cast<int64_t>(order.size())) {
      fail("did not get the last one");
    }
  }
}

}  // namespace stampede::sim
