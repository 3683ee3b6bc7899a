#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tsl/robin_map.h>

#include "core/fan_out_log.h"
#include "core/intrusive_list.h"
#include "core/listings.h"
#include "core/message.h"
#include "core/message_encoder.h"
#include "core/metrics.h"
#include "core/options.h"
#include "core/pattern_trie.h"
#include "core/ready_list.h"
#include "core/replays.h"
#include "core/selector/selector.h"
#include "core/selector/selector_subject.h"
#include "core/session.h"
#include "core/slow_consumers.h"
#include "core/slow_terms.h"

namespace stampede::core {

struct Group;
struct Topic;

// What MESSAGEs say of their place in what was published to their destination.
struct ShownPosition {
  std::string_view seq_header = {};  // the name of a header with the sequence; empty: none
  bool epoch_and_seq = false;        // `epoch` and `seq`
  bool stream_offset = false;        // `x-stream-offset`, the sequence
  friend bool operator==(const ShownPosition&, const ShownPosition&) = default;

  [[nodiscard]] bool is_none() const {
    return seq_header.empty() && !epoch_and_seq && !stream_offset;
  }
};

// What is done about readers that lag, if not what is done by default.
struct SlowKind {
  SlowPolicy policy = SlowPolicy::kDisconnect;
  std::string_view key = {};
  size_t bytes = 0;  // 0: --slow-consumer-bytes, and the policy is kDisconnect
  friend bool operator==(const SlowKind&, const SlowKind&) = default;

  [[nodiscard]] bool drops() const { return policy != SlowPolicy::kDisconnect; }
};

// What of a SUBSCRIBE shows in its MESSAGEs, or decides which it gets. Subscribers of one topic
// that are alike in all of it share a group.
struct GroupKind {
  std::string_view id;  // without has_id: the destination, by which 1.0 unsubscribes
  bool has_id = true;
  bool is_acked = false;  // a client mode: MESSAGEs can be acknowledged
  WireVariant variant = {};
  ShownPosition shows = {};        // seq_header is_plain_header_text()
  std::string_view selector = {};  // empty: all messages
  bool is_no_local = false;        // none that `subscriber` sent
  ClientRef subscriber = {};       // set with is_no_local only
  SlowKind slow = {};
  friend bool operator==(const GroupKind&, const GroupKind&) = default;
};

// Which of a topic's messages a group wants, if not all.
struct GroupFilter {
  std::shared_ptr<const Selector> selector;  // null: none
  bool is_no_local = false;
  MessageOrigin subscriber = {};  // with is_no_local

  // A message of those that are gathered which it wants, by its place among them.
  struct Selected {
    uint64_t batch;
    size_t index;
  };
  std::vector<Selected> selected = {};
};

// Group is the subscribers of one shard whose MESSAGEs are the same octets: same topic, same kind.
struct Group {
  Group(Topic& of_topic, const GroupKind& kind, std::unique_ptr<GroupFilter> of_filter,
        ChunkPool& pool, uint64_t seed);

  // PERF: what every message needs is first, close together: with many groups it is the cache that
  // costs.
  FanOutLog log;
  const std::string prefix;                   // "MESSAGE\nsubscription:<id, escaped>\n"
  const std::unique_ptr<GroupFilter> filter;  // null: wants all
  const std::unique_ptr<SlowGroup> slow;      // null: what is done by default
  uint32_t live = 0;                          // subscriptions
  uint32_t lagging = 0;   // `live` if most of them lagged at the last append, else 0
  uint32_t attached = 0;  // cursors: live ones, and ended ones whose send is still in flight
  const WireVariant variant;
  const bool is_acked;
  const bool has_own_lines;  // `ack`, or a position
  const bool is_id_utf8;     // and so are the names of headers that it adds
  Topic& topic;
  ListLink<Group> in_topic;

  ListLink<Group> in_filtered;
  IntrusiveList<Replay, &Replay::in_group> replays;
  const std::string id;  // without has_id: the destination, by which 1.0 unsubscribes
  const bool has_id;
  const bool shows_epoch_and_seq;
  const bool shows_stream_offset;
  const std::string seq_header;
  const uint64_t ack_token;  // AckId::token of its subscriptions

  [[nodiscard]] ShownPosition shows() const {
    return {seq_header, shows_epoch_and_seq, shows_stream_offset};
  }
  // False: what is appended to its log would be for nobody.
  [[nodiscard]] bool is_followed() const { return live > 0 && log.is_followed(); }
  [[nodiscard]] bool drops() const { return slow != nullptr && slow->drops(); }
  [[nodiscard]] GroupKind kind() const;
};

// Topic is a destination or pattern with subscribers on this home shard.
struct Topic {
  // PERF: as in Group.
  std::string name;
  bool is_pattern = false;
  // An owner may have a last value. Never false in error once all owners are live.
  bool has_retained = false;
  uint32_t live = 0;     // subscriptions over all groups
  uint32_t lagging = 0;  // sum of its groups'
  // Owners that confirmed our interest, one bit each. What another owner sends was meant for an
  // earlier announcement that was withdrawn meanwhile; taking it would leave a hole between it and
  // what follows.
  uint64_t live_owners = 0;
  IntrusiveList<Group, &Group::in_topic> groups;
  IntrusiveList<Group, &Group::in_filtered> filtered;  // those of them that do not want everything
  uint32_t filtered_live = 0;                          // their subscriptions
  // Delivered, but not in the groups' logs yet: see Topics::fan_out(). One reference each.
  std::vector<Message*> gathered;
  // Those before it have what is in `spreading`, too. Null: there is nothing.
  Group* next_group = nullptr;
  std::vector<std::unique_ptr<Replay>> replays;

  std::vector<Message*> spreading;  // gathered earlier
  size_t gathered_bytes = 0;
  uint64_t batch = 0;           // how often what was gathered began to be spread
  uint64_t interest_token = 0;  // the announcement of it (Interests::announce); 0: none was made

  [[nodiscard]] bool is_gathering() const { return !gathered.empty() || next_group != nullptr; }
};

// Topics is a shard's part as home of subscribers: which topics and groups there are, and how a
// numbered message gets into their logs.
//
// Owns:      topics, groups and their logs. Thread: home shard.
// Lifetime:  a Topic lives while a group of it does; a Group while a cursor of its subscribers is
//            attached to a log.
// Invariant: a client's list of cursors behind holds exactly those of its cursors that are neither
//            caught up nor in flight. Nobody comes to a topic while something is gathered for it.
class Topics {
 public:
  Topics(ShardId shard, const Options& options, ShardMetrics& metrics, ReadyList& ready,
         SelectorSubject& selector_subject);
  ~Topics();

  // The group that such a subscriber belongs to, made if need be, with its topic.
  [[nodiscard]] Group& find_or_make(std::string_view destination, bool is_pattern,
                                    const GroupKind& kind,
                                    std::shared_ptr<const Selector> selector = nullptr);
  // Counts the subscription in, and attaches its cursor to the group's log.
  void attach(Subscription& subscription, Group& group);
  // Counts it in; its cursor is attached elsewhere.
  void enroll(Subscription& subscription, Group& group);
  // The subscription no longer counts; true if it was its topic's last. Its cursor is still
  // attached. `is_whole`: its log has all that was delivered to it, which costs what it takes to
  // append that to all of the topic's logs.
  [[nodiscard]] bool end(Subscription& subscription, bool is_whole);
  // Takes the cursor out of its log, and the group and the topic away if that was the last.
  // Requires: not in flight, not on its client's list.
  void detach(Subscription& subscription);

  // Takes the message, which `owner` numbered, for every group that it is for. A topic of one group
  // has it appended to the log at once; for one of many it is gathered, so that fan_out() fills one
  // log after the other and not all of them for each message.
  // Gives how many subscriptions it is for.
  uint64_t deliver(Message& message, ShardId owner);
  // What an owner had when it took note of the topic's interest, for all who are there.
  void deliver_last_values(Topic& topic, const Recall& last_values);
  // Appends what was gathered to the logs of about `groups_max` groups.
  void fan_out(size_t groups_max);
  [[nodiscard]] bool is_gathering() const { return !gathering_.empty(); }
  // True if more should be delivered only when some of it is in the logs: all the groups of a topic
  // get a copy, and a turn's work is to be bounded in memory too.
  [[nodiscard]] bool has_gathered_enough() const { return gathered_bytes_ >= kGatheredPerTurn; }

  // -- Subscribers that lag and rather miss something.
  [[nodiscard]] SlowConsumers& slow_consumers() { return slow_consumers_; }
  // Makes `frame` the group's MESSAGE of that number, with one more header line. True: it is UTF-8.
  bool write_private(const Group& group, const Message& message, uint64_t number,
                     std::string_view line, std::string& frame);
  [[nodiscard]] uint64_t hash_of_id(const Message& message) const {
    return hash_message_id(message.message_id(), options_.boot_id);
  }

  // -- Subscribers that begin in the past.
  [[nodiscard]] Replays& replays() { return replays_; }
  // False: the group does not want the message.
  [[nodiscard]] bool takes(const Group& group, const Message& message);
  // Call when no more groups are asked about the message.
  void end_taking() { selector_subject_.end(); }
  // Writes the messages to the log, one of the group's; gives their octets.
  size_t write_replay(const Group& group, FanOutLog& log, std::span<Message* const> messages);
  // Appends all that was gathered for one topic, before something about it changes.
  void append_gathered(Topic& topic);

  // Clients that lag by more than the limit, until they are taken out to be ended.
  void note_lagging(ClientRef client) { lagging_.push_back(client); }
  [[nodiscard]] bool has_lagging() const { return !lagging_.empty(); }
  [[nodiscard]] std::vector<ClientRef> take_lagging();

  // True once after a message was delivered to a topic most of whose readers lag: then it is the
  // publishers who are too fast.
  [[nodiscard]] bool take_overrun() { return std::exchange(is_overrun_, false); }

  // While memory is short: spare chunks are given back, and publishers may lead by half as much.
  void be_careful(bool is_careful);

  [[nodiscard]] size_t topic_count() const { return exact_.size() + patterns_.size(); }
  [[nodiscard]] size_t group_count() const { return groups_.size(); }
  [[nodiscard]] size_t cursor_count() const { return attached_; }
  void count_tables(ShardTables& tables) const;
  // Exact names first, then patterns.
  [[nodiscard]] std::vector<TopicEntry> list(ListRange range) const;

 private:
  struct GroupKey {
    const Topic* topic;
    GroupKind kind;
    friend bool operator==(const GroupKey&, const GroupKey&) = default;
  };
  struct HashGroupKey {
    uint64_t seed;
    size_t operator()(const GroupKey& key) const;
  };
  struct HashText {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view text) const { return hash_text(text, seed); }
  };
  // The patterns that match a destination, remembered until a pattern comes or goes.
  struct Match {
    uint64_t generation = 0;
    std::vector<Topic*> topics;
  };

  Topic& find_or_make_topic(std::string_view destination, bool is_pattern);
  void remove_group(Group& group);
  [[nodiscard]] const std::vector<Topic*>& matching_patterns(std::string_view destination);
  // Gives how many subscriptions want it.
  uint32_t gather(Topic& topic, Message& message);
  uint32_t select(Topic& topic, const Message& message);
  [[nodiscard]] bool wants(const Group& group, const Message& message);
  size_t spread(Topic& topic, size_t groups_max);
  static void end_spreading(Topic& topic);
  void forget_gathered(Topic& topic);
  void append_all(Group& group, std::span<Message* const> messages);
  void append_selected(Group& group, const Topic& topic);
  // Appends the message of that index in the encoder to the group's log.
  void append(Group& group, Message& message, size_t index);
  // Writes its frame to the log, one of the group's; gives the frame's octets.
  size_t write(const Group& group, FanOutLog& log, Message& message, size_t index);
  // The header lines that the group has besides what all groups share. Valid until the next call.
  [[nodiscard]] std::string_view own_lines(const Group& group, uint64_t number,
                                           const Message& message);
  void note_lag(Group& group);
  void police(Group& group, size_t newest_bytes);

  // Attackers may send to any number of names; what is remembered about them is bounded.
  static constexpr size_t kMatchesMax = 16384;
  // A body from here on is referenced instead of copied. Up to here a contiguous span, which goes
  // out by a plain send, is cheaper than a second span.
  static constexpr size_t kReferencedBodyBytesMin = 32 * 1024;
  // Groups that one listing looks at: 16,384 of them take a shard about a millisecond.
  static constexpr size_t kListedGroupsMax = 16384;
  // Octets of messages that a topic gathers, about what a turn takes in. Bounds what the encoder
  // keeps at a time.
  static constexpr size_t kGatheredBytesMax = 256 * 1024;
  // What is gathered from other shards in a turn, as much as is taken in from clients.
  static constexpr size_t kGatheredPerTurn = 64 * 1024;

  const ShardId shard_;
  const Options& options_;
  ShardMetrics& metrics_;
  ReadyList& ready_;
  SelectorSubject& selector_subject_;
  ChunkPool pool_;
  MessageEncoder encoder_;
  std::string own_lines_;
  tsl::robin_map<std::string_view, std::unique_ptr<Topic>, HashText, std::equal_to<>> exact_;
  PatternTrie<Topic> patterns_;
  tsl::robin_map<GroupKey, std::unique_ptr<Group>, HashGroupKey> groups_;
  Replays replays_{*this, options_, pool_, ready_};
  tsl::robin_map<std::string, Match, HashText, std::equal_to<>> matches_;
  SlowConsumers slow_consumers_{*this, metrics_};
  size_t gathered_bytes_ = 0;     // of all topics
  std::deque<Topic*> gathering_;  // those that are, in the order in which they began
  uint64_t pattern_generation_ = 1;
  uint64_t groups_made_ = 0;
  uint64_t attached_ = 0;
  uint64_t live_ = 0;
  std::vector<ClientRef> lagging_;
  size_t publisher_lead_bytes_;
  bool is_overrun_ = false;
};

}  // namespace stampede::core
