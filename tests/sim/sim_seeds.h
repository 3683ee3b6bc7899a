#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/sim/sim_faults.h"

namespace stampede::sim {

inline uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// If a CHECK, a signal or a sanitizer ends the program, it says that this seed was running.
void tell_on_death(uint64_t seed);

// Calls run(seed) for the seeds that STAMPEDE_SIM_FIRST_SEED and STAMPEDE_SIM_SEEDS choose; with
// STAMPEDE_SIM_ONLY_FAULTS=1 for those of them that have faults. The first one that throws fails
// the test, which says how to replay it.
template <typename Run>
void run_seeds(Run&& run) {
  const uint64_t first = number_from_environment("STAMPEDE_SIM_FIRST_SEED", 1);
  const uint64_t count = number_from_environment("STAMPEDE_SIM_SEEDS", 50);
  const bool only_faults = number_from_environment("STAMPEDE_SIM_ONLY_FAULTS", 0) != 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    if (only_faults && !SimFaults::of_seed(seed).are_any()) continue;
    tell_on_death(seed);
    try {
      run(seed);
    } catch (const std::runtime_error& error) {
      const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
      FAIL() << "seed " << seed << ": " << error.what()
             << "\nreplay: STAMPEDE_SIM_FIRST_SEED=" << seed
             << " STAMPEDE_SIM_SEEDS=1 and --gtest_filter=" << test->test_suite_name() << "."
             << test->name();
    }
  }
}

}  // namespace stampede::sim
