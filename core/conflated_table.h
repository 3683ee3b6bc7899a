#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include <tsl/robin_map.h>

#include "core/message.h"

namespace stampede::core {

// ConflatedTable is the newest message of each destination and key, of what was appended to a log:
// what is left of the log for readers who lag. It is in the order of the log, so that each of them
// is one number, the first frame that it was not given, however many there are.
//
// Owns:      a reference of each message. Thread: home shard.
// Invariant: entries grow in frame and number; the newest frame is always there.
class ConflatedTable {
 public:
  // `seed` keys the hashes: destinations and keys are chosen by strangers.
  explicit ConflatedTable(uint64_t seed) : seed_(seed) {}
  ~ConflatedTable() { clear(); }
  ConflatedTable(const ConflatedTable&) = delete;
  ConflatedTable& operator=(const ConflatedTable&) = delete;

  struct Entry {
    Message* message;
    uint64_t number;  // FanOutLog::next_frame_number() of the frame; 0 where it has none
    uint64_t key_low;
    uint64_t key_high;
  };
  using Entries = std::map<uint64_t, Entry>;  // by frame

  // The message takes the place of the one with its destination and key. The oldest go while all of
  // them take more than `bytes_max`.
  void put(Message& message, std::string_view key, uint64_t frame, uint64_t number,
           size_t bytes_max);
  // The first entry of that frame or a later one; null: there is none.
  [[nodiscard]] const Entries::value_type* first_from(uint64_t frame) const;
  void clear();

  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }  // of the messages' memory

 private:
  struct Key {
    uint64_t low;
    uint64_t high;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct HashOf {
    size_t operator()(const Key& key) const { return static_cast<size_t>(key.low); }
  };
  [[nodiscard]] Key key_of(const Message& message, std::string_view key) const;
  void erase(Entries::iterator entry);

  const uint64_t seed_;
  Entries entries_;
  tsl::robin_map<Key, uint64_t, HashOf> frames_;  // by destination and key
  size_t bytes_ = 0;
};

}  // namespace stampede::core
