#include "net/buffer_ring.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "proto/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define STAMPEDE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STAMPEDE_ASAN 1
#endif
#endif
#ifdef STAMPEDE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace stampede::net {
namespace {

// The kernel's layout: an array of 16-octet entries from offset 0, and the tail in the last two
// octets of the first. io_uring_buf_ring says so too, but some headers, compiled as C++, put its
// array at offset 8, and every receive fails with EFAULT. So only io_uring_buf is used, and its
// `resv` member as the tail.
static_assert(sizeof(io_uring_buf) == 16);
static_assert(offsetof(io_uring_buf, resv) == 14);

// Populated, so that no receive pays for a page fault later and the memory shows from the start.
uint8_t* map(size_t bytes) {
  void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return address == MAP_FAILED ? nullptr : static_cast<uint8_t*>(address);
}

// What the kernel owns is out of bounds in builds with checks. AddressSanitizer cannot see the
// kernel writing, but it sees us touching it too early or too far. Without it the octets are
// overwritten, so that a view that outlived its buffer shows, and looked at when they come back:
// what the kernel did not fill is as we left it, or somebody wrote where he must not.
#ifdef STAMPEDE_ASAN
void give_to_kernel(uint8_t* data, size_t size) { ASAN_POISON_MEMORY_REGION(data, size); }
void take_from_kernel(const uint8_t* data, size_t filled, size_t /*size*/) {
  ASAN_UNPOISON_MEMORY_REGION(data, filled);
}
#elif !defined(NDEBUG)
constexpr uint8_t kKernelsOctet = 0xdb;

void give_to_kernel(uint8_t* data, size_t size) { std::memset(data, kKernelsOctet, size); }
void take_from_kernel(const uint8_t* data, size_t filled, size_t size) {
  const uint8_t* const rest = data + filled;
  const size_t rest_size = size - filled;
  // Each octet is like the one before it, and the first is ours.
  CHECK(rest_size == 0 ||
        (rest[0] == kKernelsOctet && std::memcmp(rest, rest + 1, rest_size - 1) == 0));
}
#else
void give_to_kernel(uint8_t* /*data*/, size_t /*size*/) {}
void take_from_kernel(const uint8_t* /*data*/, size_t /*filled*/, size_t /*size*/) {}
#endif

}  // namespace

BufferRing::BufferRing(Ring& ring, unsigned count, size_t bytes_each)
    : ring_(ring), count_(count), bytes_each_(bytes_each) {}

Result<std::unique_ptr<BufferRing>> BufferRing::create(Ring& ring, unsigned count,
                                                       size_t bytes_each) {
  CHECK(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
  std::unique_ptr<BufferRing> buffers(new BufferRing(ring, count, bytes_each));
  buffers->entries_ = reinterpret_cast<io_uring_buf*>(map(count * sizeof(io_uring_buf)));
  buffers->memory_ = map(count * bytes_each);
  if (buffers->entries_ == nullptr || buffers->memory_ == nullptr) {
    return std::unexpected("no memory for " + std::to_string(count * bytes_each) +
                           " bytes of receive buffers");
  }
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffers->entries_);
  registration.ring_entries = count;
  registration.bgid = kReceiveBufferGroup;
  const int error = io_uring_register_buf_ring(&ring.raw(), &registration, 0);
  if (error < 0) {
    return std::unexpected(std::string("the ring of receive buffers (Linux 5.19) is refused: ") +
                           std::strerror(-error));
  }
  buffers->registered_ = true;
  for (unsigned i = 0; i < count; ++i) buffers->recycle(static_cast<uint16_t>(i));
  buffers->publish();
  return buffers;
}

BufferRing::~BufferRing() {
  if (registered_) (void)io_uring_unregister_buf_ring(&ring_.raw(), kReceiveBufferGroup);
  if (memory_ != nullptr) {
#ifdef STAMPEDE_ASAN
    ASAN_UNPOISON_MEMORY_REGION(memory_, count_ * bytes_each_);
#endif
    munmap(memory_, count_ * bytes_each_);
  }
  if (entries_ != nullptr) munmap(entries_, count_ * sizeof(io_uring_buf));
}

std::span<const uint8_t> BufferRing::take(uint16_t buffer, size_t length) noexcept {
  DCHECK(available_ > 0 && buffer < count_ && length <= bytes_each_);
  --available_;
  const std::span<const uint8_t> data = octets(buffer, length);
  take_from_kernel(data.data(), length, bytes_each_);
  return data;
}

void BufferRing::recycle(uint16_t buffer) noexcept {
  uint8_t* const data = memory_ + buffer * bytes_each_;
  give_to_kernel(data, bytes_each_);
  io_uring_buf& entry = entries_[static_cast<uint16_t>(tail_ + unpublished_) & (count_ - 1)];
  // `resv` stays as it is: in the first entry it is the tail.
  entry.addr = reinterpret_cast<uint64_t>(data);
  entry.len = static_cast<uint32_t>(bytes_each_);
  entry.bid = buffer;
  ++unpublished_;
}

void BufferRing::publish() noexcept {
  if (unpublished_ == 0) return;
  tail_ = static_cast<uint16_t>(tail_ + unpublished_);
  available_ += unpublished_;
  unpublished_ = 0;
  // release: the kernel reads the entries after it has seen the tail that covers them.
  __atomic_store_n(&entries_[0].resv, tail_, __ATOMIC_RELEASE);
}

}  // namespace stampede::net
