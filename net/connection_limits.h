#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

namespace stampede::net {

// NodeLimits counts connections across all shards against the limits.
//
// Thread:    any; the count is one atomic, the map of addresses is behind a mutex and only used if
// that limit is on. Lifetime:  outlives the shards.
class NodeLimits {
 public:
  NodeLimits(uint64_t connections_max, uint32_t per_address_max)
      : connections_max_(connections_max), per_address_max_(per_address_max) {}

  enum class Verdict : uint8_t { kAdmitted, kTooMany, kTooManyFromAddress };
  [[nodiscard]] Verdict admit(const std::string& address) {
    // relaxed: a count, nothing is published by it. Taken before the check, so that two shards
    // never share the last place.
    if (connections_.fetch_add(1, std::memory_order_relaxed) >= connections_max_) {
      connections_.fetch_sub(1, std::memory_order_relaxed);
      return Verdict::kTooMany;
    }
    if (counts_addresses() && !admit_address(address)) {
      connections_.fetch_sub(1, std::memory_order_relaxed);
      return Verdict::kTooManyFromAddress;
    }
    return Verdict::kAdmitted;
  }
  void leave(const std::string& address) {
    connections_.fetch_sub(1, std::memory_order_relaxed);
    if (!counts_addresses()) return;
    const std::lock_guard lock(mutex_);
    const auto it = by_address_.find(address);
    if (it != by_address_.end() && --it->second == 0) by_address_.erase(it);
  }

  [[nodiscard]] bool counts_addresses() const { return per_address_max_ != 0; }
  [[nodiscard]] uint64_t connections() const {
    return connections_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t connections_max() const { return connections_max_; }

 private:
  bool admit_address(const std::string& address) {
    const std::lock_guard lock(mutex_);
    uint32_t& count = by_address_[address];
    if (count >= per_address_max_) return false;
    ++count;
    return true;
  }

  const uint64_t connections_max_;
  const uint32_t per_address_max_;  // 0: off
  std::atomic<uint64_t> connections_ = 0;
  std::mutex mutex_;
  std::map<std::string, uint32_t> by_address_;
};

// ConnectionLimits is one shard's door to NodeLimits: it remembers who was counted under which
// address. Thread: home shard.
class ConnectionLimits {
 public:
  explicit ConnectionLimits(NodeLimits& node) : node_(node) {}

  [[nodiscard]] NodeLimits::Verdict admit(const std::string& address) {
    return node_.admit(address);
  }
  // The admitted connection got this handle. Costs nothing unless addresses are counted.
  void enter(uint32_t handle, const std::string& address) {
    if (node_.counts_addresses()) addresses_[handle] = address;
  }
  void leave(uint32_t handle) {
    if (!node_.counts_addresses()) return node_.leave({});
    const auto it = addresses_.find(handle);
    node_.leave(it == addresses_.end() ? std::string() : it->second);
    if (it != addresses_.end()) addresses_.erase(it);
  }
  [[nodiscard]] uint64_t connections_max() const { return node_.connections_max(); }

 private:
  NodeLimits& node_;
  std::unordered_map<uint32_t, std::string> addresses_;
};

}  // namespace stampede::net
