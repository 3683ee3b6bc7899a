#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tools/stampede_bench/report/histogram.h"
#include "tools/stampede_bench/report/percentile_curve.h"

namespace stampede::bench {
namespace {

// What a value may be told as: itself or up to 1/128 more.
void expect_within_a_bucket(int64_t told, int64_t recorded) {
  EXPECT_GE(told, recorded);
  EXPECT_LE(told - recorded, recorded / 128);
}

// The same values, all kept.
class Model {
 public:
  void record(int64_t value) {
    values_.push_back(value);
    is_sorted_ = false;
  }
  int64_t value_at_rank(size_t rank) {
    if (!is_sorted_) std::ranges::sort(values_);
    is_sorted_ = true;
    return values_[rank - 1];
  }
  double mean() const {
    double sum = 0;
    for (const int64_t value : values_) sum += static_cast<double>(value);
    return sum / static_cast<double>(values_.size());
  }

 private:
  std::vector<int64_t> values_;
  bool is_sorted_ = false;
};

TEST(Histogram, AgreesWithASortedListAtEachPercentile) {
  constexpr size_t kValues = 10'000;
  std::mt19937_64 random(1);
  // Of all magnitudes alike, as the leading digits of latencies are.
  std::uniform_real_distribution<double> exponent(0, Histogram::kValueBits - 0.01);
  Histogram histogram;
  Model model;
  for (size_t i = 0; i < kValues; ++i) {
    const auto value = static_cast<int64_t>(std::exp2(exponent(random)));
    histogram.record(value);
    model.record(value);
  }
  for (size_t rank = 1; rank <= kValues; ++rank) {
    const double percentile = static_cast<double>(rank) * 100 / kValues;
    SCOPED_TRACE(percentile);
    expect_within_a_bucket(histogram.value_at(percentile), model.value_at_rank(rank));
  }
  EXPECT_LE(histogram.min(), model.value_at_rank(1));
  expect_within_a_bucket(histogram.max(), model.value_at_rank(kValues));
  EXPECT_NEAR(histogram.mean() / model.mean(), 1, 1.0 / 128);
}

TEST(Histogram, KeepsSmallValuesExactly) {
  for (int64_t value = 0; value < 256; ++value) {
    Histogram histogram;
    histogram.record(value);
    EXPECT_EQ(histogram.min(), value);
    EXPECT_EQ(histogram.max(), value);
    EXPECT_EQ(histogram.value_at(50), value);
    EXPECT_EQ(histogram.mean(), static_cast<double>(value));
  }
}

TEST(Histogram, KeepsTheBordersOfEachPowerOfTwoApart) {
  for (int bits = 8; bits < Histogram::kValueBits; ++bits) {
    const int64_t border = int64_t{1} << bits;
    Histogram histogram;
    histogram.record(border - 1);
    histogram.record(border);
    EXPECT_EQ(histogram.buckets().size(), 2u) << border;
    EXPECT_EQ(histogram.value_at(50), border - 1);
    expect_within_a_bucket(histogram.value_at(100), border);
  }
}

TEST(Histogram, BringsWhatIsOutOfRangeToItsEnds) {
  Histogram histogram;
  histogram.record(-1);
  histogram.record(INT64_MIN);
  EXPECT_EQ(histogram.max(), 0);
  histogram.record(Histogram::kValueMax);
  histogram.record(Histogram::kValueMax + 1);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.max(), Histogram::kValueMax);
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_EQ(histogram.buckets().size(), 2u);
}

TEST(Histogram, IsAllZerosWhenEmpty) {
  const Histogram histogram;
  for (const double percentile : {0.0, 50.0, 100.0}) EXPECT_EQ(histogram.value_at(percentile), 0);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.standard_deviation(), 0);
  EXPECT_TRUE(histogram.buckets().empty());
}

TEST(Histogram, PercentilesAreValuesNotBetweenThem) {
  Histogram histogram;
  for (const int64_t value : {10, 20, 30, 40}) histogram.record(value);
  EXPECT_EQ(histogram.value_at(0), 10);
  EXPECT_EQ(histogram.value_at(25), 10);
  EXPECT_EQ(histogram.value_at(25.1), 20);
  EXPECT_EQ(histogram.value_at(50), 20);
  EXPECT_EQ(histogram.value_at(75.1), 40);
  EXPECT_EQ(histogram.value_at(100), 40);
  EXPECT_EQ(histogram.value_at(-1), 10);
  EXPECT_EQ(histogram.value_at(101), 40);
}

TEST(Histogram, DoesNotRoundANineUp) {
  Histogram histogram;
  histogram.record(1, 999);
  histogram.record(100);
  EXPECT_EQ(histogram.value_at(99.9), 1);
  EXPECT_EQ(histogram.value_at(99.91), 100);
}

TEST(Histogram, RecordsOneValueManyTimes) {
  Histogram histogram;
  histogram.record(7, 1'000'000'000'000);
  histogram.record(9, 1'000'000'000'000);
  EXPECT_EQ(histogram.count(), 2'000'000'000'000u);
  EXPECT_EQ(histogram.mean(), 8);
  EXPECT_EQ(histogram.standard_deviation(), 1);
}

TEST(Histogram, MergedHoldsWhatBothHeld) {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<int64_t> latency(0, 1'000'000'000);
  Histogram whole;
  Histogram parts[2];
  for (int i = 0; i < 1000; ++i) {
    const int64_t value = latency(random);
    whole.record(value);
    parts[i % 2].record(value);
  }
  parts[0].merge(parts[1]);
  parts[0].merge(Histogram());
  EXPECT_EQ(parts[0].count(), whole.count());
  EXPECT_EQ(parts[0].mean(), whole.mean());
  for (double percentile = 0; percentile <= 100; percentile += 0.5) {
    EXPECT_EQ(parts[0].value_at(percentile), whole.value_at(percentile));
  }
  parts[0].clear();
  EXPECT_EQ(parts[0].count(), 0u);
  EXPECT_EQ(parts[0].max(), 0);
}

TEST(PercentileCurve, GoesFromTheLowestToTheHighestValue) {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.record(value);
  const std::vector<PercentilePoint> curve = percentile_curve(histogram, 5);
  ASSERT_GT(curve.size(), 10u);
  EXPECT_EQ(curve.front().percentile, 0);
  EXPECT_EQ(curve.front().value, 1);
  EXPECT_EQ(curve.back().percentile, 100);
  EXPECT_EQ(curve.back().value, 100);
  EXPECT_EQ(curve.back().values_up_to, 100u);
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].percentile, curve[i - 1].percentile);
    EXPECT_GE(curve[i].value, curve[i - 1].value);
    EXPECT_EQ(curve[i].values_up_to, static_cast<uint64_t>(curve[i].value));
  }
}

TEST(PercentileCurve, StepsAreHalvedWithTheDistanceThatIsLeft) {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.record(value);
  const std::vector<PercentilePoint> curve = percentile_curve(histogram, 5);
  const std::vector<double> first = {0, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75, 77.5};
  for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(curve[i].percentile, first[i], 1e-9);
}

TEST(PercentileCurve, IsEmptyForAnEmptyHistogram) {
  EXPECT_TRUE(percentile_curve(Histogram(), 5).empty());
}

}  // namespace
}  // namespace stampede::bench
