#include "core/queue_groups.h"

#include <utility>

#include "core/queue_consumers.h"

namespace stampede::core {

void QueueGroups::join(QueuedMessage& queued) {
  const std::string_view name = queued.message->group();
  if (name.empty()) return;
  auto found = groups_.find(name);
  if (found == groups_.end()) {
    auto made = std::make_unique<QueueGroup>(name);
    const std::string_view key = made->name;
    found = groups_.emplace(key, std::move(made)).first;
  }
  queued.group = found->second.get();
  queued.group->members.push_back(queued);
}

void QueueGroups::leave(QueuedMessage& queued) {
  QueueGroup* group = std::exchange(queued.group, nullptr);
  if (group == nullptr) return;
  group->members.remove(queued);
  if (!group->members.empty()) return;
  if (group->owner != nullptr) group->owner->groups.remove(*group);
  // By iterator: the key is in what goes.
  groups_.erase(groups_.find(std::string_view(group->name)));
  if (groups_.empty() && groups_.bucket_count() > kEmptyBucketsMax) groups_.rehash(0);
}

}  // namespace stampede::core
