#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/shard_types.h"
#include "proto/base/check.h"

namespace stampede::net {

// SendWatch sees to it, in builds with checks, that what a send reads stays as it is until the
// kernel is done with it. A sanitizer does not see the kernel reading; it does see us, when we look
// at the same octets once more at the end, and then memory that was freed too early shows. Release
// builds watch nothing.
//
// Owns:      what it needs to look again; the octets are the core's. Thread: home shard.
class SendWatch {
 public:
#ifdef NDEBUG
  void begin(uint32_t /*handle*/, std::span<const core::SendSpan> /*spans*/) {}
  void end(uint32_t /*handle*/) {}
#else
  // A send of the connection begins. Requires: none is under way.
  void begin(uint32_t handle, std::span<const core::SendSpan> spans) {
    const Watched watched = {.spans = {spans.begin(), spans.end()}, .digest = digest_of(spans)};
    CHECK(watched_.emplace(handle, watched).second);
  }
  // Its last completion is here.
  void end(uint32_t handle) {
    const auto it = watched_.find(handle);
    CHECK(it != watched_.end());
    const bool is_as_it_was = digest_of(it->second.spans) == it->second.digest;
    watched_.erase(it);
    CHECK(is_as_it_was);
  }

 private:
  struct Watched {
    std::vector<core::SendSpan> spans;
    uint64_t digest;
  };

  // By hand, since AddressSanitizer does not see a library reading.
  static uint64_t digest_of(std::span<const core::SendSpan> spans) {
    constexpr uint64_t kMix = 0x9e37'79b9'7f4a'7c15;
    uint64_t digest = 0;
    const auto take = [&digest](uint64_t word) { digest = std::rotl((digest ^ word) * kMix, 29); };
    for (const core::SendSpan& span : spans) {
      const auto* octets = static_cast<const uint8_t*>(span.data);
      size_t left = span.size;
      for (uint64_t word = 0; left >= sizeof(word); left -= sizeof(word), octets += sizeof(word)) {
        std::memcpy(&word, octets, sizeof(word));
        take(word);
      }
      for (; left > 0; --left) take(*octets++);
    }
    return digest;
  }

  std::unordered_map<uint32_t, Watched> watched_;
#endif
};

}  // namespace stampede::net
