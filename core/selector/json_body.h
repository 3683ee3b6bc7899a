#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/selector/selector_value.h"

namespace stampede::core {

// One step of a path into a body: to a member of an object, or to an element of an array.
struct JsonStep {
  std::string_view key;
  uint32_t index = 0;
  bool is_index = false;
};
using JsonPath = std::vector<JsonStep>;

// JsonBody is a parsed JSON document in which paths are looked up. No other file knows the JSON
// library.
//
// Owns:      a padded copy of the octets and the document made of it. Both are kept for the next
//            one, about 15 octets for each octet of the largest document so far.
// Thread:    the shard that owns it.
class JsonBody {
 public:
  JsonBody();
  ~JsonBody();
  JsonBody(JsonBody&&) noexcept;
  JsonBody& operator=(JsonBody&&) noexcept;

  // False: the first octets show already that it is no JSON.
  [[nodiscard]] static bool may_be_json(std::span<const uint8_t> octets);
  // False: it is not one JSON document in UTF-8, or it has a number that neither 64 bits nor a
  // double hold, or is nested more than 1,024 deep. Then all paths are NULL.
  bool parse(std::span<const uint8_t> octets);
  void clear();
  // What is at the path: NULL if nothing is there, or `null`. Of equal keys the first counts.
  // O(members and elements on the way).
  //
  // Lifetime: a text holds until the next parse().
  [[nodiscard]] SelectorValue find(std::span<const JsonStep> path) const;

 private:
  struct Document;
  std::unique_ptr<Document> document_;  // made by the first parse()
};

}  // namespace stampede::core
