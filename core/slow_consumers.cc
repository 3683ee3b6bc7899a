#include "core/slow_consumers.h"

#include <array>

#include "core/client.h"
#include "core/topics.h"
#include "core/wire_variant.h"
#include "proto/base/check.h"
#include "proto/ws_encoder.h"

namespace stampede::core {

namespace {

constexpr std::string_view kCommandLine = "MESSAGE\n";

std::string dropped_line(uint64_t frames) {
  return frames == 0 ? std::string() : "dropped:" + std::to_string(frames) + "\n";
}

size_t index_of(SlowPolicy policy) { return static_cast<size_t>(policy); }

bool is_websocket(const Group& group) {
  return group.variant.framing != WireVariant::Framing::kTcp;
}

// It is not blamed for more of what is in its log.
size_t pardoned_octets(const Subscription& subscription) {
  if (!subscription.is_pardoned) return SIZE_MAX;
  return static_cast<uint32_t>(subscription.log->end()) - subscription.pardoned_to;
}

// Of a frame that the broker wrote (RFC 6455 section 5.2).
size_t ws_header_of(std::string_view frame) {
  const auto length = static_cast<uint8_t>(frame[1]);
  return length < 126 ? 2 : length == 126 ? 4 : 10;
}

// Appends one MESSAGE as a log has it, and the header line in it.
void append_with_line(std::string& out, std::string_view frame, std::string_view line,
                      bool is_websocket) {
  if (is_websocket) {
    const auto opcode = static_cast<proto::WsOpcode>(frame[0] & 0x0f);
    frame.remove_prefix(ws_header_of(frame));
    std::array<uint8_t, proto::kWsServerHeaderBytesMax> header;
    const size_t size = proto::write_ws_header(header.data(), opcode, frame.size() + line.size());
    out.append(reinterpret_cast<const char*>(header.data()), size);
  }
  DCHECK(frame.starts_with(kCommandLine));
  out.append(kCommandLine).append(line).append(frame.substr(kCommandLine.size()));
}

}  // namespace

// -- Appending.

bool SlowConsumers::admit(Group& group, Message& message) {
  SlowGroup& slow = *group.slow;
  FanOutLog& log = group.log;
  if (slow.terms.policy == SlowPolicy::kConflate) {
    // Nobody is behind: what comes now is the first that somebody may miss.
    if (log.bytes() == 0 && slow.parked == 0) slow.table.clear();
    const std::string_view key = slow.terms.key.empty()
                                     ? std::string_view()
                                     : message.header(slow.terms.key).value_or(std::string_view());
    slow.table.put(message, key, log.frame_count(), log.next_frame_number(), slow.terms.bytes);
  }
  if (log.has_readers()) return true;
  log.skip_frame();
  return false;
}

void SlowConsumers::police(Group& group, size_t newest_bytes) {
  FanOutLog& log = group.log;
  const SlowTerms& terms = group.slow->terms;
  const size_t unsent_max = terms.bytes + newest_bytes;
  if (log.bytes() <= unsent_max) return;
  lagging_.clear();
  log.find_lagging(unsent_max, lagging_);
  if (lagging_.empty()) return;
  const LogPlace place = terms.policy == SlowPolicy::kDropOld ? log.last(unsent_max) : LogPlace{};
  for (Cursor* const cursor : lagging_) {
    auto& subscription = static_cast<Subscription&>(*cursor);
    // What it could not have taken before now is not what it lags by.
    if (subscription.has_ended || pardoned_octets(subscription) <= unsent_max) continue;
    begin_or_go_on(subscription, log.unsent(subscription));
    switch (terms.policy) {
      case SlowPolicy::kDropOld: {
        const uint64_t first = log.next_frame(subscription);
        log.move(subscription, place);
        const uint64_t frames = log.next_frame(subscription) - first;
        subscription.detour->dropped += frames;
        count_dropped(group, frames);
        break;
      }
      case SlowPolicy::kDropNew:
        stop(subscription);
        break;
      case SlowPolicy::kConflate:
        park(subscription);
        break;
      case SlowPolicy::kDisconnect:
        break;
    }
  }
}

void SlowConsumers::begin_or_go_on(Subscription& subscription, size_t unsent_bytes) {
  if (subscription.detour != nullptr) return;
  subscription.client->outflow().begin_detour(subscription);
  ++count_;
  ++metrics_.slow_begun[index_of(subscription.group->slow->terms.policy)];
  note(subscription, unsent_bytes, false);
}

// What it missed before is said by the next frame, which the log may not mark any more by then: so
// that one is made its own now.
void SlowConsumers::stop(Subscription& subscription) {
  Outflow& outflow = subscription.client->outflow();
  if (subscription.detour->dropped > 0 && outflow.give_first(subscription, *this)) return;
  subscription.group->log.stop_at_end(subscription);
}

void SlowConsumers::park(Subscription& subscription) {
  subscription.group->log.park(subscription);
  ++subscription.group->slow->parked;
  subscription.client->outflow().on_parked(subscription);
}

// -- Sending.

SlowConsumers::Written SlowConsumers::write_conflated(Subscription& subscription, std::string& out,
                                                      size_t bytes_max) {
  const Written written = write_table(subscription, out, bytes_max);
  if (written != Written::kAll) return written;
  Group& group = *subscription.group;
  group.log.rejoin(subscription);
  --group.slow->parked;
  return Written::kAll;
}

SlowConsumers::Written SlowConsumers::write_table(Subscription& subscription, std::string& out,
                                                  size_t bytes_max) {
  Group& group = *subscription.group;
  Detour& detour = *subscription.detour;
  AckWindow* const acks = subscription.acks.get();
  while (const auto* const found = group.slow->table.first_from(detour.next_frame)) {
    if (out.size() >= bytes_max) return Written::kMore;
    if (acks != nullptr && !acks->has_room()) return Written::kNoCredit;
    const auto& [frame, entry] = *found;
    const uint64_t missed = frame - detour.next_frame;
    count_dropped(group, missed);
    const size_t size_before = out.size();
    const bool is_utf8 = topics_.write_private(group, *entry.message, entry.number,
                                               dropped_line(detour.dropped + missed), frame_);
    append_framed(out, group.variant.framing, frame_, is_utf8);
    detour.dropped = 0;
    detour.next_frame = frame + 1;
    if (acks != nullptr) {
      acks->add(entry.number, topics_.hash_of_id(*entry.message), out.size() - size_before);
    }
  }
  return Written::kAll;
}

bool SlowConsumers::write_first(Subscription& subscription, std::string& out) {
  const std::string line = dropped_line(std::exchange(subscription.detour->dropped, 0));
  frame_.clear();
  const bool is_caught_up =
      subscription.log->take_frame(subscription, frame_, subscription.acks.get());
  append_with_line(out, frame_, line, is_websocket(*subscription.group));
  return is_caught_up;
}

void SlowConsumers::write_rest(Subscription& subscription, std::string& out) {
  if (subscription.is_parked()) {
    (void)write_table(subscription, out, SIZE_MAX);
    return;
  }
  std::string rest;
  subscription.log->copy_unsent(subscription, [&rest](const uint8_t* octets, size_t size) {
    rest.append(reinterpret_cast<const char*>(octets), size);
  });
  std::string_view left = rest;
  if (const uint64_t dropped = subscription.detour->dropped; dropped > 0 && !left.empty()) {
    const size_t size = subscription.log->first_unsent_frame(subscription);
    append_with_line(out, left.substr(0, size), dropped_line(dropped),
                     is_websocket(*subscription.group));
    left.remove_prefix(size);
  }
  out.append(left);
}

// -- Ending.

void SlowConsumers::on_caught_up(Subscription& subscription, bool was_away) {
  Group& group = *subscription.group;
  if (const Detour* const detour = subscription.detour.get()) {
    if (was_away) count_dropped(group, detour->dropped);
    if (detour->dropped == 0) end(subscription);
  }
  tidy(group);
}

// Nobody is behind, so nobody misses anything.
void SlowConsumers::tidy(Group& group) {
  if (group.slow->parked == 0 && group.log.bytes() == 0) group.slow->table.clear();
}

void SlowConsumers::end(Subscription& subscription) {
  ++metrics_.slow_recovered;
  note(subscription, 0, true);
  subscription.client->outflow().end_detour(subscription);
  --count_;
}

void SlowConsumers::forget(Subscription& subscription) {
  if (subscription.is_away()) {
    Group& group = *subscription.group;
    count_dropped(group, group.log.frame_count() - subscription.detour->next_frame);
    if (subscription.is_parked()) --group.slow->parked;
    tidy(group);
  }
  --count_;
}

void SlowConsumers::count_dropped(const Group& group, uint64_t frames) {
  metrics_.slow_dropped[index_of(group.slow->terms.policy)] += frames;
}

void SlowConsumers::note(const Subscription& subscription, size_t unsent_bytes,
                         bool has_recovered) {
  if (events_.size() == kEventsMax) return;
  const Group& group = *subscription.group;
  events_.push_back({.client = subscription.client->ref(),
                     .policy = group.slow->terms.policy,
                     .has_recovered = has_recovered,
                     .destination = group.topic.name,
                     .unsent_bytes = unsent_bytes});
}

}  // namespace stampede::core
