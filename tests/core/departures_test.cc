#include "core/departures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace stampede::core {
namespace {

using Candidate = Departures::Candidate;

struct Departure {
  uint32_t slot;
  Millis at;
};

std::vector<Departure> all_of(Departures departures) {
  std::vector<Departure> all;
  while (departures.next_at() != kNever) {
    const Millis at = departures.next_at();
    all.push_back({departures.pop().slot, at});
  }
  return all;
}

std::vector<Candidate> clients(uint32_t count, Millis idle_ms = 0) {
  std::vector<Candidate> candidates;
  for (uint32_t slot = 0; slot < count; ++slot) candidates.push_back({{slot, 1}, idle_ms});
  return candidates;
}

TEST(Departures, OfNobodyNeverCome) {
  EXPECT_EQ(Departures().next_at(), kNever);
  EXPECT_EQ(Departures({}, 0, 1'000, 7).next_at(), kNever);
}

TEST(Departures, TakeEverybodyOnceAndInTime) {
  for (const uint32_t count : {1u, 2u, 100u}) {
    std::set<uint32_t> slots;
    Millis last = 5'000;
    for (const Departure& one : all_of(Departures(clients(count), 5'000, 15'000, count))) {
      slots.insert(one.slot);
      EXPECT_GE(one.at, last);
      EXPECT_LE(one.at, 15'000);
      last = one.at;
    }
    EXPECT_EQ(slots.size(), count);
  }
}

TEST(Departures, AreAsManyInEachPartOfTheTime) {
  constexpr Millis kTime = 20'000;
  std::vector<int> in_each_second(kTime / 1'000, 0);
  for (const Departure& one : all_of(Departures(clients(2'000), 0, kTime, 3)))
    ++in_each_second[static_cast<size_t>(std::min(one.at, kTime - 1) / 1'000)];
  for (const int count : in_each_second) {
    EXPECT_GE(count, 98);
    EXPECT_LE(count, 102);
  }
}

TEST(Departures, DifferFromSeedToSeed) {
  const auto one = all_of(Departures(clients(50), 0, 10'000, 1));
  const auto other = all_of(Departures(clients(50), 0, 10'000, 2));
  const auto is_same = [](const Departure& a, const Departure& b) { return a.slot == b.slot; };
  EXPECT_FALSE(std::ranges::equal(one, other, is_same));
  const auto is_same_time = [](const Departure& a, const Departure& b) { return a.at == b.at; };
  EXPECT_FALSE(std::ranges::equal(one, other, is_same_time));
}

TEST(Departures, BeginWithWhoWasIdleForLongest) {
  std::vector<Candidate> candidates;
  const std::vector<Millis> idle = {0, 900, 1'500, 100'000, 40'000, 3'600'000};
  for (uint32_t slot = 0; slot < 60; ++slot) candidates.push_back({{slot, 1}, idle[slot % 6]});
  std::vector<Millis> order;
  for (const Departure& one : all_of(Departures(candidates, 0, 10'000, 5)))
    order.push_back(idle[one.slot % 6]);
  const auto count_in = [&](size_t begin, size_t end, Millis value) {
    return std::count(order.begin() + static_cast<ptrdiff_t>(begin),
                      order.begin() + static_cast<ptrdiff_t>(end), value);
  };
  EXPECT_EQ(count_in(0, 10, 3'600'000), 10);
  EXPECT_EQ(count_in(10, 20, 100'000), 10);
  EXPECT_EQ(count_in(20, 30, 40'000), 10);
  EXPECT_EQ(count_in(30, 40, 1'500), 10);
  EXPECT_EQ(count_in(40, 60, 0) + count_in(40, 60, 900), 20) << "both are busy";
}

TEST(Departures, ComeAtOnceWhereThereIsNoTime) {
  for (const Departure& one : all_of(Departures(clients(10), 5'000, 5'000, 1)))
    EXPECT_EQ(one.at, 5'000);
}

}  // namespace
}  // namespace stampede::core
