#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "net/ring.h"
#include "proto/base/result.h"

namespace stampede::net {

inline constexpr uint16_t kReceiveBufferGroup = 0;
// 4 KiB holds twenty 200-octet frames, or one segment of most publishers; receiving was measured no
// faster with larger ones. 512 of them (2 MiB a shard) are more than a turn takes in, and idle
// connections hold none.
inline constexpr unsigned kReceiveBuffers = 512;
inline constexpr size_t kReceiveBufferBytes = 4096;

// BufferRing is the pool of receive buffers that the kernel picks from: a connection that receives
// nothing owns none. Buffers come back in batches, with one store that the kernel sees.
//
// Owns:      the buffers and the ring of their descriptions.
// Thread:    the ring's.
// Lifetime:  shorter than the Ring; no receive may be pending when it ends.
// Invariant: a buffer is with the kernel, with us, or recycled and not yet published; never two of
// these.
class BufferRing {
 public:
  // Requires: count is a power of two of at most 32768.
  [[nodiscard]] static Result<std::unique_ptr<BufferRing>> create(Ring& ring, unsigned count,
                                                                  size_t bytes_each);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // The kernel filled `length` octets of a buffer: it is ours until recycle().
  std::span<const uint8_t> take(uint16_t buffer, size_t length) noexcept;
  // The kernel may have it again, after publish().
  void recycle(uint16_t buffer) noexcept;
  void publish() noexcept;
  // How many the kernel can still fill.
  [[nodiscard]] unsigned available() const { return available_; }

  [[nodiscard]] std::span<const uint8_t> octets(uint16_t buffer, size_t length) const {
    return {memory_ + buffer * bytes_each_, length};
  }

 private:
  BufferRing(Ring& ring, unsigned count, size_t bytes_each);

  // Constant after construction.
  Ring& ring_;
  const unsigned count_;
  const size_t bytes_each_;
  io_uring_buf* entries_ = nullptr;  // the ring's slots, mapped
  uint8_t* memory_ = nullptr;        // the buffers, mapped
  bool registered_ = false;
  // The ring's thread.
  uint16_t tail_ = 0;
  uint16_t unpublished_ = 0;
  unsigned available_ = 0;
};

}  // namespace stampede::net
