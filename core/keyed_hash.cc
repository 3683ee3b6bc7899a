#include "core/keyed_hash.h"

#include <bit>
#include <cstddef>

namespace stampede::core {

namespace {

// The state and round of Aumasson and Bernstein, "SipHash: a fast short-input PRF", section 2.
class SipState {
 public:
  explicit SipState(const HashKey& key)
      : v0_(key[0] ^ 0x736f6d6570736575),
        v1_(key[1] ^ 0x646f72616e646f6d),
        v2_(key[0] ^ 0x6c7967656e657261),
        v3_(key[1] ^ 0x7465646279746573) {}

  void take(uint64_t word) {
    v3_ ^= word;
    rounds(2);
    v0_ ^= word;
  }
  [[nodiscard]] uint64_t finish() {
    v2_ ^= 0xff;
    rounds(4);
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void rounds(int count) {
    for (; count > 0; --count) {
      v0_ += v1_;
      v2_ += v3_;
      v1_ = std::rotl(v1_, 13) ^ v0_;
      v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ = std::rotl(v0_, 32);
      v2_ += v1_;
      v0_ += v3_;
      v1_ = std::rotl(v1_, 17) ^ v2_;
      v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ = std::rotl(v2_, 32);
    }
  }

  uint64_t v0_;
  uint64_t v1_;
  uint64_t v2_;
  uint64_t v3_;
};

// Little endian.
uint64_t word_of(std::string_view octets) {
  uint64_t word = 0;
  for (size_t n = octets.size(); n-- > 0;) word = word << 8 | static_cast<uint8_t>(octets[n]);
  return word;
}

}  // namespace

uint64_t keyed_hash(std::string_view text, const HashKey& key) {
  SipState state(key);
  const uint64_t last = uint64_t{text.size()} << 56;
  for (; text.size() >= 8; text.remove_prefix(8)) state.take(word_of(text.substr(0, 8)));
  state.take(last | word_of(text));
  return state.finish();
}

}  // namespace stampede::core
