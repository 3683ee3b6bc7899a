#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace stampede::tests {

// A parser must not notice how the network cut its input. for_each_split calls `run` with the same
// bytes as one piece, as single octets, and cut once at every place in between; `run` feeds the
// pieces to a fresh parser and checks the outcome.
//
// Cost: O(n) runs over n octets, so inputs are kept to a few kilobytes.
using Pieces = std::vector<std::span<const uint8_t>>;

template <class F>
void for_each_split(std::span<const uint8_t> bytes, F&& run) {
  run(Pieces{bytes});
  Pieces single_octets;
  single_octets.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size(); ++at) single_octets.push_back(bytes.subspan(at, 1));
  run(std::move(single_octets));
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    run(Pieces{bytes.first(cut), bytes.subspan(cut)});
  }
}

}  // namespace stampede::tests
