#include <gtest/gtest.h>

#include <limits>

#include "tools/stampede_bench/report/fail_if.h"

namespace stampede::bench {
namespace {

const std::vector<std::string> kFigureNames = {"rss_per_connection_bytes", "settle_ms", "rounds"};

// 100 deliveries in 2 s: latencies of 1..100 ns, which the histogram keeps exactly.
RunReport measured_run() {
  RunReport report;
  report.seconds = 2;
  report.published = 10;
  report.delivered = 100;
  for (int64_t value = 1; value <= 100; ++value) report.latency.record(value);
  report.completion.record(200);
  report.errors = {
      .lost = 1, .duplicated = 2, .reordered = 3, .corrupted = 4, .disconnected = 5, .refused = 6};
  report.server = ServerUse{.cpu_ns = 12'000,
                            .rss_before_bytes = 1024,
                            .rss_bytes = 2 * 1024 * 1024,
                            .rss_peak_bytes = uint64_t{3} << 30};
  report.load_cpu = 0.5;
  report.figures = {{"rss_per_connection_bytes", 1536}, {"settle_ms", 20}, {"rounds", 7}};
  return report;
}

FailIf condition(std::string_view text) {
  Result<FailIf> parsed = parse_fail_if(text, kFigureNames);
  EXPECT_TRUE(parsed) << parsed.error();
  return parsed ? *parsed : FailIf{};
}

bool holds(std::string_view text, const RunReport& report = measured_run()) {
  return !held_conditions(std::vector{condition(text)}, report).empty();
}

std::string refusal(std::string_view text) {
  const Result<FailIf> parsed = parse_fail_if(text, kFigureNames);
  return parsed ? "accepted" : parsed.error();
}

TEST(FailIf, ComparesAtUnderAndOverTheBound) {
  struct Case {
    const char* comparison;
    bool below, at, above;  // the value, seen from the bound
  };
  for (const auto& [comparison, below, at, above] :
       {Case{">", false, false, true}, Case{">=", false, true, true}, Case{"<", true, false, false},
        Case{"<=", true, true, false}, Case{"==", false, true, false}}) {
    EXPECT_EQ(holds(std::string("p50") + comparison + "51ns"), below) << comparison;
    EXPECT_EQ(holds(std::string("p50") + comparison + "50ns"), at) << comparison;
    EXPECT_EQ(holds(std::string("p50") + comparison + "49ns"), above) << comparison;
  }
}

TEST(FailIf, KnowsWhatItIsToldOf) {
  for (const char* text : {"p0==1ns",
                           "p99==99ns",
                           "p99.5==100ns",
                           "p100==100ns",
                           "min==1ns",
                           "max==100ns",
                           "mean==50.5ns",
                           "completion_p99.9==200ns",
                           "completion_max==200ns",
                           "completion_min==200ns",
                           "completion_mean==200ns",
                           "throughput==50",
                           "published==10",
                           "delivered==100",
                           "cpu_per_delivery==120ns",
                           "server_cpu==0.000006",
                           "load_cpu==0.5",
                           "rss==2MiB",
                           "rss_before==1KiB",
                           "rss_peak==3GiB",
                           "errors==21",
                           "lost==1",
                           "duplicated==2",
                           "reordered==3",
                           "corrupted==4",
                           "disconnected==5",
                           "refused==6",
                           "rss_per_connection_bytes==1.5KiB",
                           "settle_ms==20ms",
                           "rounds==7"}) {
    EXPECT_TRUE(holds(text)) << text;
  }
}

TEST(FailIf, UnitsOfTimeAndSizeAreMultiples) {
  EXPECT_EQ(condition("p99>5ns").bound, 5);
  EXPECT_EQ(condition("p99.9>=20us").bound, 20e3);
  EXPECT_EQ(condition("p99>5ms").bound, 5e6);
  EXPECT_EQ(condition("max>1s").bound, 1e9);
  EXPECT_EQ(condition("rss>7B").bound, 7);
  EXPECT_EQ(condition("rss>0").bound, 0);
  EXPECT_EQ(condition("  p99  <=  1.5 ms ").bound, 1.5e6);
  EXPECT_EQ(condition("  p99  <=  1.5 ms ").text, "p99  <=  1.5 ms");
}

TEST(FailIf, SaysWhatWasFound) {
  const std::vector conditions = {condition("p99>5ns"), condition("lost>1"), condition("rss>1MiB")};
  EXPECT_EQ(held_conditions(conditions, measured_run()),
            (std::vector<std::string>{"p99>5ns: p99 is 99 ns.", "rss>1MiB: rss is 2.00 MiB."}));
}

TEST(FailIf, WhatWasNotMeasuredCountsAsHeld) {
  const RunReport nothing;
  for (const char* text : {"p99>5ms", "completion_p99>5ms", "mean<1s", "cpu_per_delivery>1us",
                           "server_cpu>1", "rss>1MiB", "rounds>3"}) {
    EXPECT_TRUE(holds(text, nothing)) << text;
  }
  EXPECT_EQ(held_conditions(std::vector{condition("max>1s")}, nothing),
            std::vector<std::string>{"max>1s: max was not measured."});
  EXPECT_FALSE(holds("lost>0", nothing));
  EXPECT_TRUE(holds("throughput<1", nothing));

  RunReport unknown;
  unknown.figures = {{"rounds", std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_TRUE(holds("rounds>3", unknown));
}

TEST(FailIf, RefusesUnknownNamesAndListsTheKnownOnes) {
  for (const char* text : {"p>5ms", "p101>5ms", "p-1>5ms", "p99x>5ms", "p1e1>5ms", "latency>5ms",
                           "P99>5ms", "completion>1ms", ">5ms", "pnan>1ms"}) {
    const std::string why = refusal(text);
    EXPECT_NE(why.find("unknown name"), why.npos) << text << ": " << why;
    for (const char* known : {"completion_pNN", "throughput", "lost", "rss_peak", "settle_ms"}) {
      EXPECT_NE(why.find(known), why.npos) << why;
    }
  }
}

TEST(FailIf, RefusesBoundsThatDoNotFitTheName) {
  for (const char* text : {"p99>5", "p99>5MiB", "p99>", "p99>ms", "p99>-5ms", "p99>5m", "p99>>5ms",
                           "p99>5ms x", "p99>1e400ms", "p99>infms", "settle_ms>5"}) {
    EXPECT_NE(refusal(text).find("ns, us, ms or s"), std::string::npos) << refusal(text);
  }
  for (const char* text : {"rss>5", "rss>5ms", "rss>5MB"}) {
    EXPECT_NE(refusal(text).find("KiB"), std::string::npos) << refusal(text);
  }
  for (const char* text : {"lost>1ms", "throughput<1M", "rounds>x", "lost>nan"}) {
    EXPECT_NE(refusal(text).find("a plain number"), std::string::npos) << refusal(text);
  }
}

TEST(FailIf, RefusesWhatHasNoOperator) {
  for (const char* text : {"", "p99", "p99 5ms", "p99=5ms", "p99!=5ms", "p99=>5ms"}) {
    EXPECT_NE(refusal(text).find("OPERATOR"), std::string::npos) << text << ": " << refusal(text);
  }
}

}  // namespace
}  // namespace stampede::bench
