#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace stampede::tools {

// ReadinessWatch remembers when somebody last asked whether the broker is ready. Who asks over and
// over steers clients by the answer, and needs a while to notice that it has changed.
//
// Thread: any.
class ReadinessWatch {
 public:
  void note_asked() { asked_at_.store(now(), std::memory_order_relaxed); }
  // Within the last minute: probes come more often.
  [[nodiscard]] bool is_watched() const {
    // relaxed, here and above: a time, nothing is published by it.
    const int64_t asked_at = asked_at_.load(std::memory_order_relaxed);
    return asked_at != kNever && now() - asked_at < 60;
  }

 private:
  static constexpr int64_t kNever = -1;
  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  std::atomic<int64_t> asked_at_ = kNever;  // seconds of the steady clock
};

}  // namespace stampede::tools
