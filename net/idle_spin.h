#pragma once

#include <algorithm>
#include <cstdint>

namespace stampede::net {

// IdleSpin decides whether a shard that found nothing to do looks on for a while before it sleeps.
// Falling asleep and being woken costs the waker 9 to 17 us and the message 40 to 50; looking costs
// a core. So it looks only while the idle gaps of late were about as short as the look would be.
//
// Thread: home shard.
class IdleSpin {
 public:
  explicit IdleSpin(int64_t longest_ns) : longest_ns_(longest_ns) {}

  // How long to look now; 0: sleep at once.
  [[nodiscard]] int64_t budget_ns() const { return mean_gap_ns_ <= longest_ns_ ? longest_ns_ : 0; }
  // The gap between running out of work and the next piece of it. A sleep makes a gap look longer
  // by what it costs.
  void on_gap(int64_t gap_ns, bool slept) {
    const int64_t gap = slept ? std::max<int64_t>(gap_ns - kWakeCostNs, 0) : gap_ns;
    // The last eight gaps count. A long one is cut, so that after a pause a few short ones bring
    // the looking back.
    const int64_t cut = std::min(gap, 8 * longest_ns_);
    mean_gap_ns_ += (cut - mean_gap_ns_) / 8;
  }

 private:
  static constexpr int64_t kWakeCostNs = 45'000;

  const int64_t longest_ns_;
  int64_t mean_gap_ns_ = 1'000'000;  // quiet until traffic proves otherwise
};

}  // namespace stampede::net
