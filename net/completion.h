#pragma once

#include <liburing.h>

#include <cstdint>

namespace stampede::net {

// Which operation a completion belongs to.
enum class Op : uint8_t { kNone, kWakeup, kAccept, kReceive, kSend, kCancel };

// The user_data of an SQE: operation, slot and the slot's generation. A slot is not reused while an
// operation of its own is pending, so a generation that does not match is a completion that nobody
// waits for any more.
struct OpTag {
  Op op = Op::kNone;
  uint32_t handle = 0;
  uint32_t generation = 0;  // 24 bits

  [[nodiscard]] constexpr uint64_t encode() const {
    return static_cast<uint64_t>(op) << 56 |
           static_cast<uint64_t>(generation & kGenerationMask) << 32 | handle;
  }
  [[nodiscard]] static constexpr OpTag decode(uint64_t user_data) {
    return {static_cast<Op>(user_data >> 56), static_cast<uint32_t>(user_data),
            static_cast<uint32_t>(user_data >> 32) & kGenerationMask};
  }
  static constexpr uint32_t kGenerationMask = 0xff'ffff;
};

// One CQE, copied out of the ring.
struct Completion {
  uint64_t user_data;
  int32_t result;  // count, descriptor or -errno
  uint32_t flags;

  // A multishot operation goes on.
  [[nodiscard]] bool has_more() const { return (flags & IORING_CQE_F_MORE) != 0; }
  [[nodiscard]] bool has_buffer() const { return (flags & IORING_CQE_F_BUFFER) != 0; }
  [[nodiscard]] uint16_t buffer() const {
    return static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  }
};

}  // namespace stampede::net
