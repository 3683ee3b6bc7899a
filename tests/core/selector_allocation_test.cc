#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "core/selector/selector.h"
#include "tests/core/selector_fixture.h"

// A program of its own, as it counts every allocation.

namespace {
size_t allocations = 0;
}  // namespace

// All other kinds of new come down to these, but for those that a sanitizer replaces in pairs.
// Inlined, they would look to the compiler like a new with a free.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace stampede::core {
namespace {

using tests::parse_or_fail;
using tests::SelectorMessage;

// Allocations of a second message, after a first one like it.
size_t allocations_of(std::string_view text, std::string_view body) {
  const std::vector<proto::StompHeader> headers = {
      {"region", "a region whose text is longer than a small string"}, {"priority", "7"}};
  const SelectorMessage first(headers, body);
  const SelectorMessage second(headers, body);
  const auto selector = parse_or_fail(text);
  SelectorSubject subject(10'000);
  subject.begin(*first);
  EXPECT_TRUE(selector->matches(subject));
  const size_t before = allocations;
  subject.end();
  subject.begin(*second);
  EXPECT_TRUE(selector->matches(subject));
  return allocations - before;
}

TEST(SelectorAllocation, CountsWhatIsAllocated) {
  const size_t before = allocations;
  const std::string text(100, 'x');
  EXPECT_EQ(allocations - before, 1u) << text;
}

TEST(SelectorAllocation, DoesNotHappenForHeaders) {
  EXPECT_EQ(allocations_of("priority > 4 AND region LIKE '%_hose%small%' AND NOT missing IS NOT "
                           "NULL AND (missing = 5 OR "
                           "region IN ('a region that is not that of the message', 'eu') OR "
                           "destination <> 'a destination')",
                           ""),
            0u);
}

TEST(SelectorAllocation, DoesNotHappenForABodyNoLargerThanTheOnesBefore) {
  EXPECT_EQ(allocations_of("body.price > 10 AND body.items[1].name LIKE '%t'",
                           R"({"price": 12.5, "items": [{"name": "bolt"}, {"name": "nut"}]})"),
            0u);
}

}  // namespace
}  // namespace stampede::core
