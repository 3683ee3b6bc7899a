#include "core/topics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/ack_window.h"
#include "core/client.h"
#include "core/destination_name.h"
#include "proto/base/check.h"
#include "proto/stomp_encoder.h"
#include "proto/utf8.h"
#include "proto/ws_encoder.h"

namespace stampede::core {

namespace {

std::string message_prefix(std::string_view id, bool has_id, proto::StompVersion version) {
  std::string prefix = "MESSAGE\n";
  if (has_id) proto::append_echoed_header(prefix, "subscription", id, version);
  return prefix;
}

bool is_utf8(std::string_view text) {
  return proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void append_line(std::string& out, std::string_view name, uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(name).push_back(':');
  out.append(digits.data(), end.ptr).push_back('\n');
}

std::unique_ptr<SlowGroup> slow_group(const SlowKind& kind, uint64_t seed) {
  if (kind == SlowKind{}) return nullptr;
  return std::make_unique<SlowGroup>(
      SlowTerms{.policy = kind.policy, .key = std::string(kind.key), .bytes = kind.bytes}, seed);
}

uint8_t* put(uint8_t* at, std::string_view text) {
  if (text.empty()) return at;
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

}  // namespace

Group::Group(Topic& of_topic, const GroupKind& kind, std::unique_ptr<GroupFilter> of_filter,
             ChunkPool& pool, uint64_t seed)
    : log(pool, kind.is_acked || kind.slow.drops()),
      prefix(message_prefix(kind.id, kind.has_id, kind.variant.version)),
      filter(std::move(of_filter)),
      slow(slow_group(kind.slow, seed)),
      variant(kind.variant),
      is_acked(kind.is_acked),
      has_own_lines((kind.is_acked && kind.variant.version == proto::StompVersion::k12) ||
                    !kind.shows.is_none()),
      is_id_utf8(is_utf8(kind.id) && is_utf8(kind.shows.seq_header)),
      topic(of_topic),
      id(kind.id),
      has_id(kind.has_id),
      shows_epoch_and_seq(kind.shows.epoch_and_seq),
      shows_stream_offset(kind.shows.stream_offset),
      seq_header(kind.shows.seq_header),
      ack_token(hash_text(kind.id, hash_text(of_topic.name, seed))) {
  // Lag is looked at when a chunk begins.
  constexpr size_t kLooks = 4;
  if (slow != nullptr) log.limit_chunks(slow->terms.bytes / kLooks);
}

GroupKind Group::kind() const {
  GroupKind kind = {
      .id = id, .has_id = has_id, .is_acked = is_acked, .variant = variant, .shows = shows()};
  if (slow != nullptr) kind.slow = {slow->terms.policy, slow->terms.key, slow->terms.bytes};
  if (filter == nullptr) return kind;
  if (filter->selector != nullptr) kind.selector = filter->selector->text();
  kind.is_no_local = filter->is_no_local;
  kind.subscriber = filter->subscriber.client;
  return kind;
}

size_t Topics::HashGroupKey::operator()(const GroupKey& key) const {
  const auto salt = reinterpret_cast<uintptr_t>(key.topic) ^
                    (static_cast<uintptr_t>(key.kind.variant.framing) << 60) ^
                    (static_cast<uintptr_t>(key.kind.variant.version) << 56) ^
                    (uintptr_t{key.kind.is_acked} << 54);
  return hash_text(key.kind.id, seed ^ salt);
}

Topics::Topics(ShardId shard, const Options& options, ShardMetrics& metrics, ReadyList& ready,
               SelectorSubject& selector_subject)
    : shard_(shard),
      options_(options),
      metrics_(metrics),
      ready_(ready),
      selector_subject_(selector_subject),
      exact_(16, HashText{options.boot_id}),
      patterns_(options.boot_id),
      groups_(16, HashGroupKey{options.boot_id}),
      matches_(16, HashText{options.boot_id}),
      publisher_lead_bytes_(options.publisher_lead_bytes_max) {}

Topics::~Topics() {
  for (Topic* topic : gathering_) {
    for (Message* message : topic->spreading) message->drop_reference();
    for (Message* message : topic->gathered) message->drop_reference();
  }
}

Topic& Topics::find_or_make_topic(std::string_view destination, bool is_pattern) {
  if (is_pattern) {
    Topic& topic = patterns_.insert(destination);
    if (topic.name.empty()) {
      topic.name = destination;
      topic.is_pattern = true;
      ++pattern_generation_;
    }
    return topic;
  }
  if (const auto found = exact_.find(destination); found != exact_.end()) return *found->second;
  auto made = std::make_unique<Topic>();
  Topic& topic = *made;
  topic.name = destination;
  exact_.emplace(topic.name, std::move(made));
  return topic;
}

Group& Topics::find_or_make(std::string_view destination, bool is_pattern, const GroupKind& kind,
                            std::shared_ptr<const Selector> selector) {
  Topic& topic = find_or_make_topic(destination, is_pattern);
  append_gathered(topic);
  const auto found = groups_.find(GroupKey{&topic, kind});
  if (found != groups_.end()) return *found->second;
  std::unique_ptr<GroupFilter> filter;
  if (selector != nullptr || kind.is_no_local) {
    filter = std::make_unique<GroupFilter>();
    filter->selector = std::move(selector);
    filter->is_no_local = kind.is_no_local;
    filter->subscriber = {shard_, kind.subscriber};
  }
  // Frames are numbered anew, so the token is a new one, too.
  const uint64_t seed = options_.boot_id + ++groups_made_;
  auto made = std::make_unique<Group>(topic, kind, std::move(filter), pool_, seed);
  Group& group = *made;
  topic.groups.push_back(group);
  if (group.filter != nullptr) topic.filtered.push_back(group);
  groups_.emplace(GroupKey{&topic, group.kind()}, std::move(made));
  return group;
}

void Topics::attach(Subscription& subscription, Group& group) {
  DCHECK(!group.topic.is_gathering());
  enroll(subscription, group);
  group.log.attach(subscription);
}

void Topics::enroll(Subscription& subscription, Group& group) {
  subscription.group = &group;
  ++group.live;
  ++group.topic.live;
  if (group.filter != nullptr) ++group.topic.filtered_live;
  ++group.attached;
  ++attached_;
  ++live_;
}

bool Topics::end(Subscription& subscription, bool is_whole) {
  DCHECK(!subscription.has_ended);
  Group& group = *subscription.group;
  if (is_whole) append_gathered(group.topic);
  subscription.has_ended = true;
  if (--group.live == 0) replays_.on_unfollowed(group);
  if (group.filter != nullptr) --group.topic.filtered_live;
  --live_;
  return --group.topic.live == 0;
}

void Topics::detach(Subscription& subscription) {
  Group& group = *subscription.group;
  if (subscription.replay() != nullptr) {
    replays_.detach(subscription);
  } else {
    group.log.detach(subscription);
  }
  --attached_;
  if (--group.attached == 0) remove_group(group);
}

void Topics::remove_group(Group& group) {
  Topic& topic = group.topic;
  if (topic.next_group == &group) {
    topic.next_group = topic.groups.next(group);
    if (topic.next_group == nullptr) end_spreading(topic);
  }
  replays_.end_all_of(group);
  topic.lagging -= group.lagging;
  topic.groups.remove(group);
  if (group.filter != nullptr) topic.filtered.remove(group);
  groups_.erase(groups_.find(GroupKey{&topic, group.kind()}));
  if (topic.groups.empty()) forget_gathered(topic);
  if (!topic.is_gathering()) std::erase(gathering_, &topic);
  if (!topic.groups.empty()) return;
  if (topic.is_pattern) {
    ++pattern_generation_;
    patterns_.erase(std::string(topic.name));
  } else {
    exact_.erase(exact_.find(topic.name));
  }
}

const std::vector<Topic*>& Topics::matching_patterns(std::string_view destination) {
  auto found = matches_.find(destination);
  if (found == matches_.end()) {
    if (matches_.size() >= kMatchesMax) matches_.clear();
    found = matches_.emplace(std::string(destination), Match{}).first;
  }
  Match& match = found.value();
  if (match.generation != pattern_generation_) {
    match.generation = pattern_generation_;
    match.topics.clear();
    patterns_.match(destination, [&](Topic& topic) { match.topics.push_back(&topic); });
  }
  return match.topics;
}

uint64_t Topics::deliver(Message& message, ShardId owner) {
  uint64_t subscriptions = 0;
  const auto add_to = [&](Topic& topic) {
    if ((topic.live_owners >> owner & 1) == 0) return;
    subscriptions += gather(topic, message);
    if (!topic.replays.empty()) replays_.feed(topic, message, owner);
    if (topic.lagging > topic.live / 2) is_overrun_ = true;
  };
  const Retain retain = message.properties().retain;
  const auto found = exact_.find(message.route(), message.route_hash());
  if (found != exact_.end()) {
    Topic& topic = *found->second;
    if (retain != Retain::kNo) topic.has_retained = retain == Retain::kSet;
    add_to(topic);
  }
  if (patterns_.size() > 0) {
    for (Topic* topic : matching_patterns(message.route())) {
      topic->has_retained |= retain == Retain::kSet;
      add_to(*topic);
    }
  }
  selector_subject_.end();
  return subscriptions;
}

bool Topics::wants(const Group& group, const Message& message) {
  const GroupFilter& filter = *group.filter;
  if (filter.is_no_local && message.origin() == filter.subscriber) return false;
  if (filter.selector == nullptr) return true;
  selector_subject_.begin(message);
  return filter.selector->matches(selector_subject_);
}

// All selectors look at a message before the next one comes, so that its body is parsed once.
uint32_t Topics::select(Topic& topic, const Message& message) {
  uint32_t subscriptions = 0;
  for (Group* group = topic.filtered.front(); group != nullptr;
       group = topic.filtered.next(*group)) {
    if (group->live == 0 || !wants(*group, message)) continue;
    group->filter->selected.push_back({topic.batch, topic.gathered.size()});
    subscriptions += group->live;
  }
  return subscriptions;
}

// Nobody can be attached to a group's log yet who wants something else.
void Topics::deliver_last_values(Topic& topic, const Recall& last_values) {
  topic.has_retained = true;
  for (Message* message : last_values.messages) {
    gather(topic, *message);
    selector_subject_.end();
  }
}

uint32_t Topics::gather(Topic& topic, Message& message) {
  if (!topic.is_gathering()) {
    Group& first = *topic.groups.front();
    if (topic.groups.next(first) == nullptr) {
      if (first.live == 0 || (first.filter != nullptr && !wants(first, message))) return 0;
      if (!first.log.is_followed()) return first.live;
      const std::array only = {&message};
      encoder_.begin(only);
      append(first, message, 0);
      encoder_.end();
      return first.live;
    }
  }
  uint32_t subscriptions = topic.live - topic.filtered_live;
  if (!topic.filtered.empty()) subscriptions += select(topic, message);
  if (subscriptions == 0) return 0;
  if (!topic.is_gathering()) gathering_.push_back(&topic);
  message.add_references(1);
  topic.gathered.push_back(&message);
  topic.gathered_bytes += message.memory_bytes();
  gathered_bytes_ += message.memory_bytes();
  if (topic.gathered_bytes >= kGatheredBytesMax) append_gathered(topic);
  return subscriptions;
}

void Topics::fan_out(size_t groups_max) {
  while (!gathering_.empty() && groups_max > 0) {
    Topic& topic = *gathering_.front();
    groups_max -= std::min(groups_max, spread(topic, groups_max));
    if (!topic.is_gathering()) gathering_.pop_front();
  }
}

void Topics::append_gathered(Topic& topic) {
  if (!topic.is_gathering()) return;
  std::erase(gathering_, &topic);
  while (topic.is_gathering()) spread(topic, SIZE_MAX);
}

// PERF: one log after the other, and a turn's sends before the next ones. Message by message, or
// with all groups before the first send, the end of each log would be in no cache once there are
// some hundred groups.
size_t Topics::spread(Topic& topic, size_t groups_max) {
  if (topic.next_group == nullptr) {
    topic.spreading.swap(topic.gathered);
    gathered_bytes_ -= std::exchange(topic.gathered_bytes, 0);
    ++topic.batch;
    topic.next_group = topic.groups.front();
  }
  size_t groups = 0;
  encoder_.begin(topic.spreading);
  while (topic.next_group != nullptr && groups < groups_max) {
    if (topic.next_group->filter == nullptr) {
      append_all(*topic.next_group, topic.spreading);
    } else {
      append_selected(*topic.next_group, topic);
    }
    topic.next_group = topic.groups.next(*topic.next_group);
    ++groups;
  }
  encoder_.end();
  if (topic.next_group == nullptr) end_spreading(topic);
  return groups;
}

void Topics::end_spreading(Topic& topic) {
  for (Message* message : topic.spreading) message->drop_reference();
  topic.spreading.clear();
}

void Topics::forget_gathered(Topic& topic) {
  for (Message* message : topic.gathered) message->drop_reference();
  topic.gathered.clear();
  gathered_bytes_ -= std::exchange(topic.gathered_bytes, 0);
}

void Topics::append_all(Group& group, std::span<Message* const> messages) {
  if (!group.is_followed()) return;
  for (size_t index = 0; index < messages.size(); ++index) append(group, *messages[index], index);
}

void Topics::append_selected(Group& group, const Topic& topic) {
  std::vector<GroupFilter::Selected>& selected = group.filter->selected;
  auto next = selected.begin();
  for (; next != selected.end() && next->batch < topic.batch; ++next) {
    if (group.is_followed()) append(group, *topic.spreading[next->index], next->index);
  }
  selected.erase(selected.begin(), next);
}

std::string_view Topics::own_lines(const Group& group, uint64_t number, const Message& message) {
  std::string& lines = own_lines_;
  lines.clear();
  if (group.is_acked && group.variant.version == proto::StompVersion::k12) {
    std::array<char, kAckIdBytesMax> id;
    char* const end = put_ack_id(id.data(), {number, group.ack_token});
    lines.append("ack:").append(id.data(), static_cast<size_t>(end - id.data())).push_back('\n');
  }
  if (group.shows_epoch_and_seq) {
    lines.append("epoch:").append(message.epoch()).push_back('\n');
    append_line(lines, "seq", message.sequence());
  }
  if (!group.seq_header.empty()) append_line(lines, group.seq_header, message.sequence());
  if (group.shows_stream_offset) append_line(lines, "x-stream-offset", message.sequence());
  return lines;
}

void Topics::append(Group& group, Message& message, size_t index) {
  if (group.drops() && !slow_consumers_.admit(group, message)) return;
  const uint32_t chunks_before = group.log.chunks_begun();
  const size_t frame_bytes = write(group, group.log, message, index);
  note_lag(group);
  if (group.log.chunks_begun() != chunks_before) police(group, frame_bytes);
}

size_t Topics::write(const Group& group, FanOutLog& log, Message& message, size_t index) {
  const std::string_view headers =
      encoder_.headers(index, group.variant.version, metrics_.headers_unexpressible);
  const std::span<const uint8_t> body = message.body_and_nul();
  const uint64_t number = group.is_acked ? log.next_frame_number() : 0;
  const std::string_view lines =
      group.has_own_lines ? own_lines(group, number, message) : std::string_view();
  const size_t frame_bytes = group.prefix.size() + lines.size() + headers.size() + body.size();
  const bool is_websocket = group.variant.framing != WireVariant::Framing::kTcp;
  const bool is_referenced = body.size() > kReferencedBodyBytesMin;
  const size_t copied_bytes = (is_websocket ? proto::ws_header_bytes(frame_bytes) : 0) +
                              (is_referenced ? frame_bytes - body.size() : frame_bytes);

  uint8_t* at = log.reserve(copied_bytes);
  while (Cursor* cursor = log.wake_front()) ready_.mark_behind(*cursor);
  if (is_websocket) {
    // What is sent as text must be UTF-8 (RFC 6455 section 5.6).
    const bool is_text = group.variant.framing == WireVariant::Framing::kWebSocketText &&
                         message.is_utf8() && group.is_id_utf8;
    at += proto::write_ws_header(at, is_text ? proto::WsOpcode::kText : proto::WsOpcode::kBinary,
                                 frame_bytes);
  }
  at = put(put(put(at, group.prefix), lines), headers);
  if (!is_referenced) std::memcpy(at, body.data(), body.size());
  log.commit(copied_bytes);
  if (is_referenced) log.append_body(message);
  if (log.has_marks()) {
    log.mark_frame(group.is_acked ? hash_of_id(message) : 0, message.sequence());
  }
  ++metrics_.messages_appended;
  return copied_bytes + (is_referenced ? body.size() : 0);
}

size_t Topics::write_replay(const Group& group, FanOutLog& log,
                            std::span<Message* const> messages) {
  size_t octets = 0;
  encoder_.begin(messages);
  for (size_t index = 0; index < messages.size(); ++index) {
    octets += write(group, log, *messages[index], index);
  }
  encoder_.end();
  return octets;
}

bool Topics::takes(const Group& group, const Message& message) {
  return group.filter == nullptr || wants(group, message);
}

bool Topics::write_private(const Group& group, const Message& message, uint64_t number,
                           std::string_view line, std::string& frame) {
  const std::array only = {&message};
  encoder_.begin(only);
  frame.assign(group.prefix).append(line);
  if (group.has_own_lines) frame.append(own_lines(group, number, message));
  frame.append(encoder_.headers(0, group.variant.version, metrics_.headers_unexpressible));
  const std::span<const uint8_t> body = message.body_and_nul();
  frame.append(reinterpret_cast<const char*>(body.data()), body.size());
  encoder_.end();
  return message.is_utf8() && group.is_id_utf8;
}

void Topics::note_lag(Group& group) {
  // Who may miss something is waited for by nobody.
  const uint32_t lagging =
      !group.drops() && group.log.most_lag_by(publisher_lead_bytes_) ? group.live : 0;
  group.topic.lagging += lagging - group.lagging;
  group.lagging = lagging;
}

// Lag is looked at when a chunk begins: then the cursors in the front chunk are those that lag
// most. A log that is small against the limit cannot hold a client's whole lag, but 256 of them
// might, hence the fraction. The newest frame does not count: nobody had a chance to take it yet,
// and it may be larger than the limit.
void Topics::police(Group& group, size_t newest_bytes) {
  if (group.drops()) return slow_consumers_.police(group, newest_bytes);
  FanOutLog& log = group.log;
  const size_t bytes_max =
      group.slow == nullptr ? options_.slow_consumer_bytes : group.slow->terms.bytes;
  if (log.bytes() <= bytes_max / 8) return;
  for (Cursor* cursor = log.front_standing(); cursor != nullptr; cursor = cursor->standing.next) {
    if (cursor->client->blamed_bytes() > bytes_max + newest_bytes) {
      lagging_.push_back(cursor->client->ref());
    }
  }
}

std::vector<ClientRef> Topics::take_lagging() { return std::exchange(lagging_, {}); }

void Topics::be_careful(bool is_careful) {
  publisher_lead_bytes_ = options_.publisher_lead_bytes_max / (is_careful ? 2 : 1);
  pool_.keep_spare(!is_careful);
}

void Topics::count_tables(ShardTables& tables) const {
  tables.topics += exact_.size() + patterns_.size();
  tables.groups += groups_.size();
  tables.cursors += attached_;
  tables.subscriptions += live_;
  tables.log_bytes += pool_.bytes_in_use();
  tables.replays += replays_.count();
  tables.slow_subscriptions += slow_consumers_.count();
}

std::vector<TopicEntry> Topics::list(ListRange range) const {
  std::vector<TopicEntry> entries;
  size_t groups_left = kListedGroupsMax;
  const auto visit = [&](const Topic& topic) {
    if (entries.size() == range.limit) return;
    if (range.offset > 0) {
      --range.offset;
      return;
    }
    std::optional<uint64_t> log_bytes = 0;
    for (const Group* group = topic.groups.front(); group != nullptr;
         group = topic.groups.next(*group)) {
      if (groups_left == 0) {
        log_bytes.reset();
        break;
      }
      --groups_left;
      *log_bytes += group->log.bytes();
    }
    entries.push_back({.name = topic.name,
                       .is_pattern = topic.is_pattern,
                       .subscriptions = topic.live,
                       .lagging = topic.lagging,
                       .log_bytes = log_bytes});
  };
  for (const auto& [name, topic] : exact_) {
    if (entries.size() == range.limit) return entries;
    visit(*topic);
  }
  patterns_.for_each(visit);
  return entries;
}

}  // namespace stampede::core
