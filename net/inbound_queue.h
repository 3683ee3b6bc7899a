#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stampede::net {

// One thing that came from the kernel for a connection, waiting for its turn. No generation is
// needed: a connection's slot is not reused while it has items here.
struct InboundItem {
  enum class Kind : uint8_t { kOctets, kEndOfStream, kReceiveFailed, kSendFailed };

  uint32_t handle;
  uint32_t length;  // kOctets
  int32_t error;    // errno, of the failures
  uint16_t buffer;  // kOctets
  Kind kind;
};
static_assert(sizeof(InboundItem) == 16);

// InboundQueue holds what was received and not yet handed to the core, in the order of arrival, so
// that a turn can take in as much as it wants and an end of stream stays behind the octets before
// it.
//
// Owns:      its slots; the buffers stay the BufferRing's. Thread: home shard.
// Invariant: at most one item a receive buffer and two ends a connection.
class InboundQueue {
 public:
  void push(const InboundItem& item) {
    if (tail_ - head_ == slots_.size()) grow();
    slots_[tail_++ & (slots_.size() - 1)] = item;
  }
  InboundItem pop() { return slots_[head_++ & (slots_.size() - 1)]; }

  [[nodiscard]] bool is_empty() const { return head_ == tail_; }
  [[nodiscard]] size_t size() const { return static_cast<size_t>(tail_ - head_); }

 private:
  void grow() {
    std::vector<InboundItem> larger(slots_.size() * 2);
    for (uint64_t i = head_; i != tail_; ++i)
      larger[i & (larger.size() - 1)] = slots_[i & (slots_.size() - 1)];
    slots_.swap(larger);
  }

  std::vector<InboundItem> slots_ = std::vector<InboundItem>(1024);  // a power of two
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
};

}  // namespace stampede::net
