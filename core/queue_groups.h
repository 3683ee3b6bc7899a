#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tsl/robin_map.h>

#include "core/destination_name.h"
#include "core/intrusive_list.h"
#include "core/queued_message.h"

namespace stampede::core {

struct QueueConsumer;

// A message group: its messages go to one consumer.
struct QueueGroup {
  explicit QueueGroup(std::string_view of_name) : name(of_name) {}

  const std::string name;
  QueueConsumer* owner = nullptr;  // null: the next to be given a message of it
  ListLink<QueueGroup> of_owner;
  IntrusiveList<QueuedMessage, &QueuedMessage::mates> members;  // whatever state they are in
  size_t unsettled = 0;  // of the members; all of them with the owner
};

using OwnedGroups = IntrusiveList<QueueGroup, &QueueGroup::of_owner>;

// QueueGroups are the message groups of one queue. A group is known while a message of it is in the
// queue: then there is an order to keep. So there are never more groups than messages, and who
// stays away for long gets a new consumer.
//
// Owns:      the groups. Thread: owner shard.
// Invariant: a group without members does not exist; one without an owner has nothing unsettled.
class QueueGroups {
 public:
  explicit QueueGroups(uint64_t seed) : groups_(0, HashText{seed}) {}

  // Puts the message into its group, if it has one.
  void join(QueuedMessage& queued);
  void leave(QueuedMessage& queued);
  [[nodiscard]] bool empty() const { return groups_.empty(); }

 private:
  // A table that once held more gives its memory back when it is empty.
  static constexpr size_t kEmptyBucketsMax = 64;

  struct HashText {
    using is_transparent = void;
    uint64_t seed;
    size_t operator()(std::string_view text) const { return hash_text(text, seed); }
  };

  tsl::robin_map<std::string_view, std::unique_ptr<QueueGroup>, HashText, std::equal_to<>> groups_;
};

}  // namespace stampede::core
