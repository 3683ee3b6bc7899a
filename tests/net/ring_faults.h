#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace stampede::net {

// What may go wrong between a ring and the kernel. Where it says "of", chance picks one of these
// unless the rule has a value.
enum class Fault : uint8_t {
  // -- Sends.
  kShortSend,      // carries fewer octets than asked; value: at most so many
  kSendRetry,      // fails without having sent anything, of EINTR, EAGAIN
  kSendFailed,     // of ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENOMEM, ENOBUFS
  kSendScribbled,  // somebody writes into what is being sent: a bug of ours, not of the kernel
  // -- Receives.
  kShortReceive,   // ends with few octets; value: at most so many
  kSingleReceive,  // a multishot that ends with its first completion
  kNoBuffers,      // finds no buffer: ENOBUFS
  kReceiveRetry,   // of EINTR, EAGAIN
  kReceiveFailed,  // of ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM
  // -- Accepts.
  kSingleAccept,     // a multishot that ends with its first completion
  kAcceptRetry,      // of ECONNABORTED, EPROTO, EINTR, EAGAIN
  kAcceptExhausted,  // of EMFILE, ENFILE, ENOBUFS, ENOMEM
  // -- Others.
  kSinglePoll,        // the wake-up's multishot ends with its first completion
  kLostCancel,        // a connection's cancel reaches nothing: ENOENT
  kLateCompletion,    // comes up to eight enters later, and so behind those of other operations
  kEnterInterrupted,  // a wait ends with EINTR
  kEnterRefused,      // nothing is submitted, of EAGAIN, EBUSY
  kCount,
};
[[nodiscard]] const char* to_string(Fault fault);

// RingFaults stands between net and liburing in a test program: the linker sends the few calls with
// which a ring is made, entered and ended to it (--wrap), so the broker's code is that of the
// program, and has no place for this.
//
// A fault is made real before the kernel sees the operation: a short send is submitted short, one
// that fails is not submitted at all (a NOP takes its place, whose completion is rewritten). So the
// kernel and the broker never disagree on what happened. The order of one operation's completions
// stays as it is.
//
// It checks at every step that a connection has at most one receive and one send in the kernel, and
// that no descriptor is closed while an operation of it is.
//
// Owns:      the rules. The state of a ring is with it (faulty_ring.h).
// Thread:    any.
// Lifetime:  rings that are made while it lives are subject to it; they end before it does. One at
// a
//            time.
class RingFaults {
 public:
  // Chance comes from the seed, for each ring apart.
  explicit RingFaults(uint64_t seed = 1);
  ~RingFaults();
  RingFaults(const RingFaults&) = delete;
  RingFaults& operator=(const RingFaults&) = delete;

  struct Rule {
    uint64_t one_in = 1;          // of the occasions
    int value = 0;                // an errno or octets; 0 leaves it to chance
    uint64_t times = UINT64_MAX;  // and then never again
    uint64_t skip = 0;            // so many occasions that chance picked pass by first
  };
  void set(Fault fault, Rule rule);
  void clear(Fault fault) { set(fault, {.one_in = 0}); }
  void clear_all();
  // How often it happened.
  [[nodiscard]] uint64_t count(Fault fault) const;

  // Of rings that are made from now on; 0 leaves them as they are asked for.
  void set_ring_sizes(unsigned submissions, unsigned completions);
  // Holds the thread of the ring that was made as the n-th inside its next enter, until resume().
  void stall(size_t ring);
  void wait_until_stalled();
  void resume();

  // What the broker did that it must not, each once.
  [[nodiscard]] std::vector<std::string> violations() const;

  // -- For the rings.
  // True if it is to happen now; the value of its rule, if that is asked for.
  template <typename Random>
  [[nodiscard]] bool happens(Fault fault, Random& random, int* value = nullptr) {
    State& state = states_[static_cast<size_t>(fault)];
    // relaxed: rules are hints to the rings' threads; whoever sets one waits for what it causes.
    const uint64_t one_in = state.one_in.load(std::memory_order_relaxed);
    return one_in != 0 && random.one_in(one_in) && take(state, value);
  }
  void begin_operation(int fd);
  void end_operation(int fd);
  void on_close(int fd);
  void violation(const std::string& what);
  void stay_if_stalled(size_t ring);
  void apply_sizes(unsigned& submissions, unsigned& completions) const;
  [[nodiscard]] uint64_t seed() const { return seed_; }

 private:
  struct State {
    std::atomic<uint64_t> one_in = 0;
    std::atomic<int> value = 0;
    std::atomic<uint64_t> times_left = 0;
    std::atomic<uint64_t> skips_left = 0;
    std::atomic<uint64_t> count = 0;
  };
  [[nodiscard]] static bool take(State& state, int* value);
  // One of what is left; false if nothing is.
  [[nodiscard]] static bool take_one(std::atomic<uint64_t>& left);

  const uint64_t seed_;
  std::array<State, static_cast<size_t>(Fault::kCount)> states_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  unsigned submissions_ = 0;
  unsigned completions_ = 0;
  size_t stalled_ring_ = SIZE_MAX;
  bool is_stalled_ = false;
  std::unordered_map<int, int> operations_;  // by descriptor
  std::set<std::string> violations_;
};

}  // namespace stampede::net
