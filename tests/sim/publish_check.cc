#include "tests/sim/publish_check.h"

#include <map>
#include <stdexcept>
#include <string>

namespace stampede::sim {

void check_published(const std::vector<WrittenSend>& sends) {
  std::map<const SimPeer*, uint64_t> frames;  // so many were written; the first is CONNECT
  for (size_t number = 0; number < sends.size(); ++number) {
    const WrittenSend& send = sends[number];
    const uint64_t frame = ++frames.try_emplace(send.publisher, 1).first->second;
    const bool is_handled = frame <= send.publisher->frames_handled.value_or(UINT64_MAX);
    const uint32_t expected = is_handled && !send.is_duplicate ? 1 : 0;
    const bool must_be = send.is_acknowledged || send.end <= send.publisher->socket.heard;
    if (send.times_seen != expected || (must_be && !is_handled)) {
      throw std::runtime_error("SEND " + std::to_string(number) + " was delivered " +
                               std::to_string(send.times_seen) + " times" +
                               (is_handled ? ", and handled" : ", and not handled") +
                               (send.is_duplicate ? ", a duplicate" : "") +
                               (must_be ? ", though heard or with RECEIPT" : ""));
    }
  }
}

}  // namespace stampede::sim
