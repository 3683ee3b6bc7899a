#include "tests/net/fault_world.h"

#include <poll.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "core/message.h"
#include "net/buffer_ring.h"
#include "net/clock.h"
#include "tests/net/server_fixture.h"

namespace stampede::net {
namespace {

constexpr uint32_t kSends = 40;  // of each publisher
constexpr size_t kSubscribers = 6;
constexpr uint32_t kPassers = 8;

size_t count_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

std::string topic_name(size_t topic) { return "/topic/f." + std::to_string(topic); }

// Small ones, some of the size of a buffer, and now and then one that is referenced, not copied.
std::string body_of(size_t publisher, size_t topic, uint32_t number) {
  const size_t filler = number % 17 == 13 ? 40'000 : number % 7 == 3 ? 5'000 : number % 60;
  return std::to_string(publisher) + " " + std::to_string(topic) + " " + std::to_string(number) +
         " " + std::string(filler, static_cast<char>('a' + number % 26));
}

}  // namespace

FaultWorld::FaultWorld(uint64_t seed)
    : random_(seed), descriptors_before_(count_descriptors()), faults_(seed) {
  choose_faults();
  start_server();
}

FaultWorld::~FaultWorld() = default;

void FaultWorld::fail(const std::string& what) { throw std::runtime_error(what); }

// -- A life.

void FaultWorld::explain(const std::function<void()>& life) {
  try {
    life();
  } catch (const std::runtime_error& error) {
    std::string what = std::string(error.what()) + "\nfaults:";
    for (size_t n = 0; n < static_cast<size_t>(Fault::kCount); ++n) {
      const auto fault = static_cast<Fault>(n);
      const uint64_t count = faults_.count(fault);
      if (count > 0) what += " " + std::to_string(count) + " " + to_string(fault) + ",";
    }
    server_.reset();
    for (const std::string& line : lines_) what += "\n  " + line;
    fail(what);
  }
}

void FaultWorld::choose_faults() {
  // What is borne may happen often; what ends connections leaves most of them alone.
  for (const Fault fault :
       {Fault::kShortSend, Fault::kSendRetry, Fault::kShortReceive, Fault::kSingleReceive,
        Fault::kNoBuffers, Fault::kReceiveRetry, Fault::kSingleAccept, Fault::kAcceptRetry,
        Fault::kSinglePoll, Fault::kLostCancel, Fault::kLateCompletion, Fault::kEnterInterrupted,
        Fault::kEnterRefused}) {
    if (random_.one_in(2)) faults_.set(fault, {.one_in = 2 + random_.below(20)});
  }
  for (const Fault fault : {Fault::kSendFailed, Fault::kReceiveFailed}) {
    if (random_.one_in(2)) faults_.set(fault, {.one_in = 50 + random_.below(500)});
  }
  // It makes us wait for 100 ms.
  if (random_.one_in(8)) faults_.set(Fault::kAcceptExhausted, {.one_in = 4, .times = 1});
  switch (random_.below(3)) {
    case 0:
      faults_.set_ring_sizes(4, 8);
      break;
    case 1:
      faults_.set_ring_sizes(16, 64);
      break;
    default:
      break;
  }
}

void FaultWorld::start_server() {
  ServerOptions options;
  options.listeners = {*parse_listen_uri("stomp://127.0.0.1:0"),
                       *parse_listen_uri("ws://127.0.0.1:0/stomp")};
  options.shards = 1 + static_cast<core::ShardId>(random_.below(2));
  options.send_buffer_bytes = random_.one_in(2) ? 8 * 1024 : 256 * 1024;
  options.log = [this](LogLevel, std::string_view line) {
    const std::lock_guard lock(lines_mutex_);
    lines_.emplace_back(line);
  };
  core::Options core_options;
  core_options.heart_beat_send_ms = core_options.heart_beat_receive_ms = 0;
  core_options.allowed_origins = {"*"};
  core_options.mailbox_slots = size_t{4} << random_.below(6);
  core_options.send_bytes_max = random_.one_in(2) ? 64 * 1024 : 700;
  // Whoever does not read for a while is not what is tested here.
  core_options.slow_consumer_bytes = 64 << 20;
  auto server = Server::start(std::move(options), std::move(core_options));
  if (!server) fail(server.error());
  server_ = std::move(*server);
}

void FaultWorld::join(Role role) {
  auto member = std::make_unique<Member>();
  member->role = role;
  const bool is_websocket = random_.one_in(3);
  const FaultPeer::Kind kind = {.is_websocket = is_websocket,
                                .version = 10 + static_cast<int>(random_.below(3)),
                                .receive_buffer_bytes = random_.one_in(3) ? 8192 : 0};
  member->peer = std::make_unique<FaultPeer>(
      members_.size() + 1, server_->bound()[is_websocket ? 1 : 0].port, kind, random_);
  members_.push_back(std::move(member));
}

void FaultWorld::populate() {
  for (size_t n = 0; n < kSubscribers; ++n) join(Role::kSubscriber);
  for (size_t n = 0; n < kPublishers; ++n) {
    join(Role::kPublisher);
    members_.back()->publisher = n;
  }
  wait_until("all are connected and subscribed", [this] {
    return std::ranges::all_of(members_, [](const auto& member) {
      return member->is_lost || (member->is_connected && member->receipts_left == 0);
    });
  });
  passers_left_ = kPassers;
}

void FaultWorld::publish_all() {
  for (const auto& member : members_) {
    if (member->role == Role::kPublisher) member->sends_left = kSends;
  }
  wait_until("all is published and answered", [this] {
    return std::ranges::all_of(members_, [](const auto& member) {
      return member->role != Role::kPublisher || member->is_lost ||
             (member->sends_left == 0 && member->receipts_left == 0);
    });
  });
}

void FaultWorld::wait_until_all_is_delivered() {
  wait_until("all is delivered", [this] {
    const core::ShardMetrics metrics = total_of(*server_).metrics;
    if (metrics.messages_received != metrics.messages_published) return false;
    return std::ranges::all_of(members_, [&](const auto& member) {
      if (member->role != Role::kSubscriber || !has_lived(*member)) return true;
      uint64_t seen = 0;
      for (const auto& of_publisher : member->next) {
        for (const uint32_t count : of_publisher) seen += count;
      }
      return seen == metrics.messages_published;
    });
  });
}

void FaultWorld::let_nobody_in() {
  passers_left_ = 0;
  wait_until("all are connected", [this] {
    return std::ranges::all_of(
        members_, [](const auto& member) { return member->is_connected || member->is_lost; });
  });
}

void FaultWorld::leave_all() {
  let_nobody_in();
  for (const auto& member : members_) {
    if (member->peer->is_open() && !member->is_leaving) leave(*member);
  }
  wait_until("all are gone", [this] { return server_->connections() == 0; });
}

void FaultWorld::end_server() {
  server_->stop_now();
  server_->wait();
  check_log();
  server_.reset();
  members_.clear();
  for (const std::string& violation : faults_.violations()) fail(violation);
  if (count_descriptors() != descriptors_before_) fail("a descriptor is left");
}

void FaultWorld::live() {
  populate();
  publish_all();
  wait_until_all_is_delivered();
  check_survivors();
  leave_all();
  wait_until("nothing is left", [this] { return is_nothing_left(); });
  end_server();
}

void FaultWorld::live_and_drain() {
  populate();
  publish_all();
  for (const auto& member : members_) {
    if (member->role == Role::kPublisher) member->sends_left = kSends;
  }
  for (uint64_t turns = random_.below(40); turns > 0; --turns) turn();
  let_nobody_in();
  is_draining_ = true;
  server_->drain({.for_ms = kPatienceMs});
  wait_until("all are dismissed", [this] {
    return server_->connections() == 0 && std::ranges::none_of(members_, [](const auto& member) {
             return member->peer->is_open();
           });
  });
  server_->wait();
  check_survivors();
  end_server();
}

// -- A turn.

template <typename Condition>
void FaultWorld::wait_until(const char* what, Condition&& condition) {
  const int64_t deadline = monotonic_ns() + int64_t{kPatienceMs} * 1'000'000;
  while (!condition()) {
    if (monotonic_ns() > deadline) fail(std::string("waits in vain until ") + what);
    turn();
  }
}

void FaultWorld::turn() {
  std::vector<pollfd> waiting;
  std::vector<Member*> of;
  for (const auto& member : members_) {
    if (!member->peer->is_open()) continue;
    if (member->stuck > 0) --member->stuck;
    const int events =
        (member->stuck > 0 ? 0 : POLLIN) | (member->peer->has_to_say() ? POLLOUT : 0);
    waiting.push_back(
        {.fd = member->peer->fd(), .events = static_cast<short>(events), .revents = 0});
    of.push_back(member.get());
  }
  (void)poll(waiting.data(), waiting.size(), 1);
  for (size_t n = 0; n < waiting.size(); ++n) {
    Member& member = *of[n];
    if (waiting[n].revents != 0) exchange(member);
    if (member.peer->is_over()) {
      member.is_lost = !member.is_leaving && !member.is_dismissed;
      member.peer->close();
    } else {
      act(member);
    }
  }
  if (passers_left_ > 0 && random_.one_in(4)) {
    --passers_left_;
    join(Role::kPasser);
  }
}

void FaultWorld::exchange(Member& member) try {
  const size_t bytes = 1 + random_.below(random_.one_in(4) ? 100 : 65'536);
  for (const sim::SimFrame& frame : member.peer->exchange(bytes)) on_frame(member, frame);
} catch (const std::runtime_error& error) {
  fail(member.peer->name() + ": " + error.what());
}

void FaultWorld::act(Member& member) {
  if (!member.is_connected || member.is_leaving) return;
  switch (member.role) {
    case Role::kPublisher:
      for (uint64_t burst = random_.below(5); burst > 0 && member.sends_left > 0; --burst)
        publish(member);
      return;
    case Role::kSubscriber:
      if (random_.one_in(50)) member.stuck = static_cast<uint32_t>(random_.below(20));
      return;
    case Role::kPasser:
      if (random_.one_in(8)) leave(member);
      return;
  }
}

void FaultWorld::publish(Member& member) {
  const size_t publisher = member.publisher;
  const size_t topic = random_.below(kTopics);
  const uint32_t number = published_[publisher][topic]++;
  std::vector<std::pair<std::string, std::string>> headers = {{"destination", topic_name(topic)}};
  // The last one too: its RECEIPT says that all are published.
  if (--member.sends_left == 0 || random_.one_in(3)) {
    headers.emplace_back("receipt", std::to_string(topic) + " " + std::to_string(number));
    ++member.receipts_left;
  }
  member.peer->say("SEND", headers, body_of(publisher, topic, number));
}

void FaultWorld::leave(Member& member) {
  member.is_leaving = true;
  member.stuck = 0;
  switch (random_.below(4)) {
    case 0:
      member.peer->say("DISCONNECT", {{"receipt", "bye"}});
      return;
    case 1:
      return member.peer->end_stream();
    case 2:
      return member.peer->close();
    default:
      return member.peer->reset();
  }
}

void FaultWorld::on_frame(Member& member, const sim::SimFrame& frame) {
  if (member.is_dismissed) fail("a frame behind the ERROR");
  if (frame.command == "CONNECTED") {
    member.is_connected = true;
    if (member.role == Role::kPublisher) return;
    // All topics one by one, or by a pattern; passers-by one of them.
    const bool is_by_pattern = member.role == Role::kSubscriber && random_.one_in(2);
    const size_t last = member.role == Role::kPasser || is_by_pattern ? 1 : kTopics;
    for (size_t topic = 0; topic < last; ++topic) {
      const std::string number = std::to_string(topic);
      member.peer->say("SUBSCRIBE",
                       {{"id", "sub-" + number},
                        {"destination", is_by_pattern ? "/topic/f.*" : topic_name(topic)},
                        {"receipt", "s" + number}});
      ++member.receipts_left;
    }
  } else if (frame.command == "MESSAGE") {
    on_message(member, frame);
  } else if (frame.command == "RECEIPT") {
    on_receipt(member, frame.headers.at("receipt-id"));
  } else if (is_draining_ && frame.command == "ERROR" &&
             frame.headers.at("message") == "server-draining") {
    member.is_dismissed = true;
  } else {
    fail("unexpected " + frame.command + " " + frame.body);
  }
}

void FaultWorld::on_message(Member& member, const sim::SimFrame& frame) {
  size_t at = 0;
  std::array<size_t, 3> numbers = {};
  for (size_t& number : numbers) {
    size_t size = 0;
    number = std::stoul(frame.body.substr(at), &size);
    at += size;
  }
  const auto [publisher, topic, wide_number] = numbers;
  const auto number = static_cast<uint32_t>(wide_number);
  if (publisher >= kPublishers || topic >= kTopics || number >= published_[publisher][topic] ||
      frame.body != body_of(publisher, topic, number)) {
    fail("a body that nobody sent");
  }
  if (frame.headers.at("destination") != topic_name(topic)) fail("wrong destination");
  uint32_t* expected = &member.next[publisher][topic];
  // Who comes later sees a piece of what is published.
  if (member.role == Role::kPasser)
    expected = &member.seen.try_emplace({publisher, topic}, number).first->second;
  if (*expected != number) {
    fail("message " + std::to_string(number) + " where " + std::to_string(*expected) +
         " should be");
  }
  ++*expected;
}

void FaultWorld::on_receipt(Member& member, const std::string& id) {
  if (id == "bye") return;
  if (member.receipts_left == 0) fail("a RECEIPT that nobody asked for");
  --member.receipts_left;
  if (id[0] == 's') return;
  size_t size = 0;
  const size_t topic = std::stoul(id, &size);
  const auto number = static_cast<uint32_t>(std::stoul(id.substr(size)));
  uint32_t& acknowledged = acknowledged_[member.publisher][topic];
  if (number < acknowledged) fail("RECEIPTs out of order");
  acknowledged = number + 1;
}

// -- What must hold.

// In a drain, who was told goodbye; a WebSocket is told by its close code.
bool FaultWorld::has_lived(const Member& member) {
  return member.is_dismissed || member.peer->close_code() == 1012 ||
         (!member.is_lost && !member.is_leaving);
}

void FaultWorld::check_survivors() {
  const auto lost = static_cast<uint64_t>(std::ranges::count_if(
      members_, [](const auto& member) { return !has_lived(*member) && !member->is_leaving; }));
  if (lost > faults_.count(Fault::kSendFailed) + faults_.count(Fault::kReceiveFailed))
    fail("a connection was lost that no fault ended");
  const Member* first = nullptr;
  for (const auto& member : members_) {
    if (member->role != Role::kSubscriber || !has_lived(*member)) continue;
    if (first == nullptr) first = member.get();
    if (member->next != first->next) fail("two subscribers did not see the same");
    for (size_t publisher = 0; publisher < kPublishers; ++publisher) {
      for (size_t topic = 0; topic < kTopics; ++topic) {
        if (member->next[publisher][topic] < acknowledged_[publisher][topic])
          fail("what has a RECEIPT was not delivered");
      }
    }
  }
}

bool FaultWorld::is_nothing_left() {
  const ShardSnapshot sum = total_of(*server_);
  core::ShardTables tables = sum.tables;
  tables.destinations = 0;  // their duplicate windows pass with time
  for (const core::MemoryKind kept : {core::MemoryKind::kTables, core::MemoryKind::kLogs})
    tables.memory_bytes[static_cast<size_t>(kept)] = 0;  // theirs, and spare chunks
  using Words = std::array<uint64_t, sizeof(tables) / sizeof(uint64_t)>;
  return std::bit_cast<Words>(tables) == Words{} && core::Message::live_count() == 0 &&
         sum.net.connections == 0 && sum.net.inbound_waiting == 0 && sum.net.send_slots_used == 0 &&
         sum.net.receive_buffers_free == uint64_t{kReceiveBuffers} * server_->shards();
}

// Every connection has one line, and one count under its reason.
void FaultWorld::check_log() {
  std::map<std::string, uint64_t> closed;
  std::map<std::string, std::string> reason_of;
  for (const std::string& line : lines_) {
    if (!line.starts_with("close ")) continue;
    const auto field = [&](const std::string& name) {
      const size_t begin = line.find(" " + name + "=") + name.size() + 2;
      return line.substr(begin, line.find(' ', begin) - begin);
    };
    ++closed[field("reason")];
    if (!reason_of.emplace(field("peer"), field("reason")).second) fail("closed twice: " + line);
  }
  for (const auto& member : members_) {
    const auto reason = reason_of.find(member->peer->name());
    if (reason == reason_of.end()) fail("no line for a connection");
    // In a drain it may be lost behind its dismissal, and before it heard of it.
    const bool is_true =
        reason->second == "peer_reset" || (is_draining_ && reason->second == "drain");
    if (member->is_lost && !has_lived(*member) && !is_true)
      fail("a lost connection is closed as " + reason->second);
  }
  const core::ShardMetrics metrics = total_of(*server_).metrics;
  for (size_t n = 0; n < metrics.connections_closed.size(); ++n) {
    const std::string reason(core::to_string(static_cast<core::CloseReason>(n)));
    if (metrics.connections_closed[n] != closed[reason]) fail("miscounted: " + reason);
  }
}

}  // namespace stampede::net
