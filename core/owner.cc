#include "core/owner.h"

#include <array>
#include <bit>
#include <charconv>

#include "proto/base/check.h"

namespace stampede::core {

namespace {

// Letters and digits only, so that no version needs an escape in a message-id.
void append_base36(std::string& out, uint64_t value) {
  std::array<char, 13> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 36);
  out.append(digits.data(), end.ptr);
}

}  // namespace

Owner::Owner(ShardId shard, const Options& options, ShardMetrics& metrics)
    : shard_(shard),
      options_(options),
      metrics_(metrics),
      keeper_(options, metrics),
      table_(16, HashText{options.boot_id}),
      patterns_(options.boot_id) {
  // 40 bits tell the boots of a node apart and keep the id short, since every delivery carries it.
  append_base36(boot_text_, options.boot_id & 0xff'ffff'ffff);
}

Owner::~Owner() = default;

Owner::Verdict Owner::publish(Message& message, Millis now) {
  Destination& destination = find_or_make(message.route(), message.route_hash(), now);
  touch(destination, now);
  if (is_known(destination, message, now)) {
    ++metrics_.messages_duplicate;
    return {0, true};
  }
  std::array<char, 64> id;
  const size_t prefix = destination.id_prefix.copy(id.data(), id.size());
  const auto end = std::to_chars(id.data() + prefix, id.data() + id.size(), ++destination.sequence);
  message.set_number(destination.sequence, {id.data(), end.ptr});
  ++metrics_.messages_published;
  if (destination.history != nullptr || message.properties().retain != Retain::kNo) {
    keep(destination, message, now);
  }
  const uint64_t interested = interest_of(destination);
  if (interested == 0) ++metrics_.messages_unrouted;
  return {interested, false};
}

void Owner::keep(Destination& destination, Message& message, Millis now) {
  if (message.properties().is_for_queue || message.properties().is_temporary) return;
  delist(destination);
  keeper_.keep(destination, message, now);
  enlist(destination);
  settle_emptied(now);
}

void Owner::settle_emptied(Millis now) {
  for (Destination* destination : keeper_.take_emptied()) {
    if (destination->kept == nullptr || !destination->kept->is_empty()) continue;
    delist(*destination);
    destination->kept.reset();
    if (destination->is_idle()) destination->last_used = now;
    enlist(*destination);
  }
}

// An id that this owner made for this destination needs no memory to be known again: it carries the
// destination's incarnation and a sequence that was given. So only ids that clients made take room
// in the window.
bool Owner::is_known(Destination& destination, const Message& message, Millis now) {
  const std::string_view id = message.client_message_id();
  if (id.empty()) return false;
  if (id.starts_with(destination.id_prefix)) {
    uint64_t sequence = 0;
    const char* const begin = id.data() + destination.id_prefix.size();
    const char* const end = id.data() + id.size();
    const auto parsed = std::from_chars(begin, end, sequence);
    const bool is_ours = parsed.ec == std::errc() && parsed.ptr == end && *begin != '0';
    if (is_ours && sequence <= destination.sequence) return true;
  }
  if (destination.window == nullptr) destination.window = std::make_unique<DedupWindow>();
  return !destination.window->remember(id, options_.boot_id, options_.dedup_window,
                                       options_.dedup_time_ms, now);
}

uint64_t Owner::interest_of(Destination& destination) {
  if (destination.pattern_generation != pattern_generation_) {
    destination.pattern_generation = pattern_generation_;
    destination.pattern_interest = 0;
    patterns_.match(destination.name,
                    [&](uint64_t shards) { destination.pattern_interest |= shards; });
  }
  return destination.interest | destination.pattern_interest;
}

Destination& Owner::find_or_make(std::string_view name, uint64_t hash, Millis now) {
  if (const auto found = table_.find(name, hash); found != table_.end()) return *found->second;

  while (table_.size() >= options_.destinations_max) {
    if (idle_.empty()) {
      if (unfollowed_.empty()) break;
      keeper_.drop_all(*unfollowed_.front());
      settle_emptied(now);
    }
    ++metrics_.destinations_forgotten;
    forget_idle(*idle_.front());
  }
  auto made = std::make_unique<Destination>();
  Destination& destination = *made;
  destination.name = name;
  destination.hash = hash;
  destination.history = keeper_.class_of(name);
  destination.last_used = destination.lost_until = now;
  destination.id_prefix = boot_text_;
  destination.id_prefix.push_back('-');
  append_base36(destination.id_prefix, incarnations_++ * kShardsMax + shard_);
  destination.id_prefix.push_back('-');
  enlist(destination);
  table_.emplace(destination.name, std::move(made));
  return destination;
}

void Owner::forget_idle(Destination& destination) {
  DCHECK(destination.is_idle());
  delist(destination);
  table_.erase(table_.find(destination.name, destination.hash));
}

void Owner::enlist(Destination& destination) {
  if (destination.interest == 0)
    (destination.is_idle() ? idle_ : unfollowed_).push_back(destination);
}

void Owner::delist(Destination& destination) {
  if (destination.interest == 0) (destination.is_idle() ? idle_ : unfollowed_).remove(destination);
}

void Owner::touch(Destination& destination, Millis now) {
  destination.last_used = now;
  if (destination.interest != 0) return;
  delist(destination);
  enlist(destination);
}

void Owner::add_interest(std::string_view name, ShardId shard, Millis now) {
  Destination& destination = find_or_make(name, hash_text(name, options_.boot_id), now);
  delist(destination);
  interested_ += 1 - (destination.interest >> shard & 1);
  destination.interest |= uint64_t{1} << shard;
}

void Owner::remove_interest(std::string_view name, ShardId shard, Millis now) {
  const auto found = table_.find(name);
  CHECK(found != table_.end());
  Destination& destination = *found->second;
  interested_ -= destination.interest >> shard & 1;
  destination.interest &= ~(uint64_t{1} << shard);
  if (destination.is_idle()) destination.last_used = now;
  enlist(destination);
}

bool Owner::has_interest(std::string_view name, uint64_t hash) const {
  const auto found = table_.find(name, hash);
  return found != table_.end() && found->second->interest != 0;
}

void Owner::add_pattern(std::string_view pattern, ShardId shard) {
  patterns_.insert(pattern) |= uint64_t{1} << shard;
  ++pattern_generation_;
}

void Owner::remove_pattern(std::string_view pattern, ShardId shard) {
  uint64_t* shards = patterns_.find(pattern);
  CHECK(shards != nullptr);
  *shards &= ~(uint64_t{1} << shard);
  if (*shards == 0) patterns_.erase(pattern);
  ++pattern_generation_;
}

void Owner::forget(std::string_view name) {
  const auto found = table_.find(name);
  if (found != table_.end() && found->second->is_idle()) forget_idle(*found->second);
}

void Owner::recall(Recall& recall, Millis now) {
  if (recall.is_pattern) {
    keeper_.recall_matching(recall, now);
  } else {
    const auto found = table_.find(recall.name);
    CHECK(found != table_.end() && found->second->interest != 0);
    keeper_.recall(*found->second, recall, now);
  }
  settle_emptied(now);
}

std::unique_ptr<Recall> Owner::last_values(std::string_view name, bool is_pattern, Millis now) {
  if (!keeper_.has_retained()) return nullptr;
  auto recall = std::make_unique<Recall>(name, is_pattern, RecallFrom{});
  this->recall(*recall, now);
  return recall->messages.empty() ? nullptr : std::move(recall);
}

void Owner::expire(Millis now) {
  keeper_.expire(now);
  settle_emptied(now);
  while (!idle_.empty()) {
    Destination& oldest = *idle_.front();
    // Without a window only server-made ids are forgotten with it, and those must be known as long.
    if (now - oldest.last_used <= options_.dedup_time_ms) break;
    forget_idle(oldest);
  }
}

void Owner::count_tables(ShardTables& tables) const {
  tables.destinations += table_.size();
  tables.interested += interested_;
  keeper_.count_tables(tables);
  auto count = [&](uint64_t shards) {
    tables.pattern_interests += static_cast<uint64_t>(std::popcount(shards));
  };
  patterns_.for_each(count);
}

}  // namespace stampede::core
