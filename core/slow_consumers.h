#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/conflated_table.h"
#include "core/fan_out_log.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/shard_types.h"
#include "core/slow_terms.h"

namespace stampede::core {

class Topics;
struct Group;
struct Subscription;

// What is done about those readers of a group who lag. Groups that do what all do by default have
// none of it.
struct SlowGroup {
  SlowGroup(SlowTerms its_terms, uint64_t seed) : terms(std::move(its_terms)), table(seed) {}

  const SlowTerms terms;  // the bound is set
  ConflatedTable table;   // kConflate: of all that is in the log, and of all that parked ones miss
  uint32_t parked = 0;

  [[nodiscard]] bool drops() const { return terms.policy != SlowPolicy::kDisconnect; }
};

// A reader began to lag so much that something was dropped, or has caught up.
struct SlowEvent {
  ClientRef client;
  SlowPolicy policy = SlowPolicy::kDisconnect;
  bool has_recovered = false;
  std::string destination = {};
  size_t unsent_bytes = 0;
};

// SlowConsumers is what a shard does, as home of subscribers, about those who lag in groups whose
// policy drops messages. Each is a detour of a cursor:
//   kDropOld   it is moved forward in the log;
//   kDropNew   it reads up to where the log ended, then goes on at its end;
//   kConflate  it is parked, and reads the group's table of newest messages instead.
// The next MESSAGE that it is given says how many it missed, so that one is its own octets.
//
// Owns:      nothing but what is to be told; a Detour is its cursor's. Thread: home shard.
class SlowConsumers {
 public:
  SlowConsumers(Topics& topics, ShardMetrics& metrics) : topics_(topics), metrics_(metrics) {}

  // -- Appending. Requires, for these: the group's policy drops.
  // The message is about to be appended to the group's log. False: nobody reads there now, and it
  // is only counted.
  [[nodiscard]] bool admit(Group& group, Message& message);
  // Something was appended: drops what readers who lag too much will not get. The newest frame does
  // not count, as nobody had a chance to take it.
  void police(Group& group, size_t newest_bytes);

  // -- Sending. Each writes whole frames to `out`, private octets of the subscription's client.
  enum class Written : uint8_t { kMore, kNoCredit, kAll };
  // What there is in the table for a parked subscription, until `out` has so much. kAll: it is
  // caught up.
  Written write_conflated(Subscription& subscription, std::string& out, size_t bytes_max);
  // The first frame that a subscription which missed some is given. True: it is caught up.
  // Requires: behind, not away, not in flight, and credit if it needs any.
  bool write_first(Subscription& subscription, std::string& out);
  // All that it was not given yet, as its last.
  void write_rest(Subscription& subscription, std::string& out);

  // -- Ending.
  // The subscription is caught up; `was_away` until now, if that ended with a send.
  void on_caught_up(Subscription& subscription, bool was_away);
  // The subscription, which has a detour, leaves.
  void forget(Subscription& subscription);

  [[nodiscard]] size_t count() const { return count_; }
  // What is to be told, since asked last.
  [[nodiscard]] bool has_events() const { return !events_.empty(); }
  [[nodiscard]] std::vector<SlowEvent> take_events() { return std::exchange(events_, {}); }

 private:
  void begin_or_go_on(Subscription& subscription, size_t unsent_bytes);
  void end(Subscription& subscription);
  static void tidy(Group& group);
  // As write_conflated(), but at the end the subscription stays parked.
  Written write_table(Subscription& subscription, std::string& out, size_t bytes_max);
  void stop(Subscription& subscription);
  void park(Subscription& subscription);
  void count_dropped(const Group& group, uint64_t frames);
  void note(const Subscription& subscription, size_t unsent_bytes, bool has_recovered);

  // More than these at a time are not told one by one: the counters have them.
  static constexpr size_t kEventsMax = 16;

  Topics& topics_;
  ShardMetrics& metrics_;
  std::vector<Cursor*> lagging_;  // kept for its capacity
  std::string frame_;             // warm
  std::vector<SlowEvent> events_;
  size_t count_ = 0;
};

}  // namespace stampede::core
