#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/shard_types.h"
#include "net/completion.h"

namespace stampede::core {
class Client;
}

namespace stampede::net {

inline constexpr uint32_t kNoSendSlot = UINT32_MAX;

// What net keeps for one connection: a descriptor and which operations are under way. While it is
// idle it owns no buffer, and nothing on the heap.
struct Connection {
  core::Client* client = nullptr;
  // The send in flight, if it is of one span; a gathered one is in its SendSlot.
  const uint8_t* send_data = nullptr;
  uint32_t send_bytes_left = 0;
  uint32_t send_slot = kNoSendSlot;
  int fd = -1;
  uint32_t generation = 0;
  // Entries of the inbound queue that are this connection's.
  uint32_t inbound_items = 0;
  // ASYNC_CANCELs whose own completion is still to come.
  uint16_t cancels_pending = 0;
  bool receive_armed : 1 = false;    // a multishot receive is in the kernel
  bool receive_ended : 1 = false;    // end of stream or an error was seen: never armed again
  bool receive_paused : 1 = false;   // by the core, which tells when it may go on
  bool receive_starved : 1 = false;  // waits for buffers
  bool send_in_flight : 1 = false;
  bool send_is_cut : 1 = false;    // part of it was sent, so the stream is inside a frame
  bool ends_in_reset : 1 = false;  // what is left unsent is to be thrown away
  bool aborting : 1 = false;       // the core is done with it; ends when nothing is pending
  bool cancel_missed : 1 = false;  // one that the abort asked for reached nothing
  bool close_listed : 1 = false;

  [[nodiscard]] bool has_pending() const {
    return receive_armed || send_in_flight || cancels_pending != 0 || inbound_items != 0;
  }
};
static_assert(sizeof(Connection) <= 64);

// ConnectionTable is the slab of a shard's connections; the index is the handle that the core gets.
//
// Owns:      the records, not what they refer to.
// Thread:    home shard.
// Lifetime:  a record's address holds until release(); slots are reused, (handle, generation) is
// not for 2^24 uses.
class ConnectionTable {
 public:
  uint32_t allocate(int fd) {
    if (free_.empty()) grow();
    const uint32_t handle = free_.back();
    free_.pop_back();
    Connection& connection = at(handle);
    const uint32_t generation = (connection.generation + 1) & OpTag::kGenerationMask;
    connection = {};
    connection.fd = fd;
    connection.generation = generation;
    ++size_;
    return handle;
  }

  void release(uint32_t handle) {
    at(handle).fd = -1;
    at(handle).client = nullptr;
    free_.push_back(handle);
    --size_;
  }

  [[nodiscard]] Connection& at(uint32_t handle) {
    return chunks_[handle / kChunk][handle % kChunk];
  }
  // Null if the completion is of a connection that is gone.
  [[nodiscard]] Connection* find(const OpTag& tag) {
    if (tag.handle >= chunks_.size() * kChunk) return nullptr;
    Connection& connection = at(tag.handle);
    const bool is_current = connection.fd >= 0 && connection.generation == tag.generation;
    return is_current ? &connection : nullptr;
  }
  [[nodiscard]] OpTag tag(Op op, uint32_t handle) { return {op, handle, at(handle).generation}; }
  [[nodiscard]] size_t size() const { return size_; }

  template <typename Visit>
  void for_each(Visit&& visit) {
    for (uint32_t handle = 0; handle < chunks_.size() * kChunk; ++handle) {
      if (at(handle).fd >= 0) visit(handle, at(handle));
    }
  }

 private:
  static constexpr uint32_t kChunk = 1024;  // 64 KiB at a time; records never move

  void grow() {
    const auto first = static_cast<uint32_t>(chunks_.size()) * kChunk;
    chunks_.push_back(std::make_unique<Connection[]>(kChunk));
    free_.reserve(chunks_.size() * kChunk);
    for (uint32_t i = kChunk; i-- > 0;) free_.push_back(first + i);
  }

  std::vector<std::unique_ptr<Connection[]>> chunks_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace stampede::net
