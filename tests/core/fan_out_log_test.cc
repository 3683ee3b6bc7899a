#include "core/fan_out_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/core/make_message.h"

namespace stampede::core {
namespace {

constexpr uint32_t k512 = ChunkPool::capacity_of(0);
constexpr uint32_t k4096 = ChunkPool::capacity_of(1);
constexpr uint32_t k16384 = ChunkPool::capacity_of(2);
constexpr uint32_t k65536 = ChunkPool::capacity_of(3);

std::string read(std::span<const SendSpan> spans) {
  std::string octets;
  for (const SendSpan& span : spans) octets.append(static_cast<const char*>(span.data), span.size);
  return octets;
}

class FanOutLogOf : public ::testing::Test {
 protected:
  ~FanOutLogOf() override {
    for (Message* message : messages_) message->drop_reference();
  }

  // Gives the cursors that were woken.
  std::vector<Cursor*> append(std::string_view frame) {
    uint8_t* at = log_.reserve(frame.size());
    std::vector<Cursor*> woken;
    while (Cursor* cursor = log_.wake_front()) woken.push_back(cursor);
    std::copy(frame.begin(), frame.end(), at);
    log_.commit(frame.size());
    return woken;
  }
  Message& message(std::string_view body) {
    messages_.push_back(tests::make_message({.body = body}));
    return *messages_.back();
  }
  std::string begin(Cursor& cursor, size_t bytes_max = 65536, size_t spans_max = 16) {
    size_t bytes = 0;
    spans_.resize(spans_max);
    spans_.resize(log_.begin_flight(cursor, spans_, bytes_max, bytes));
    const std::string octets = read(spans_);
    EXPECT_EQ(octets.size(), bytes);
    return octets;
  }
  std::string unsent(const Cursor& cursor) const {
    std::string octets;
    log_.copy_unsent(cursor, [&](const uint8_t* data, size_t size) {
      octets.append(reinterpret_cast<const char*>(data), size);
    });
    return octets;
  }

  ChunkPool pool_;
  FanOutLog log_{pool_};
  std::vector<SendSpan> spans_;
  std::vector<Message*> messages_;
};

TEST_F(FanOutLogOf, HoldsNoChunkWhileAllAreCaughtUp) {
  Cursor cursor;
  log_.attach(cursor);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
  append("one");
  EXPECT_EQ(pool_.bytes_in_use(), k512);
  EXPECT_EQ(begin(cursor), "one");
  EXPECT_TRUE(log_.end_flight(cursor));
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
  EXPECT_EQ(log_.bytes(), 0u);
  EXPECT_EQ(log_.front_standing(), nullptr);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, WakesEachCaughtUpCursorOnce) {
  Cursor a, b;
  log_.attach(a);
  log_.attach(b);
  EXPECT_EQ(append("one"), (std::vector<Cursor*>{&a, &b}));
  EXPECT_TRUE(append("two").empty());
  EXPECT_EQ(begin(a), "onetwo");
  EXPECT_TRUE(append("three").empty());
  EXPECT_FALSE(log_.end_flight(a));
  EXPECT_EQ(begin(a), "three");
  EXPECT_TRUE(log_.end_flight(a));
  EXPECT_EQ(append("four"), (std::vector<Cursor*>{&a}));
  log_.detach(a);
  log_.detach(b);
}

TEST_F(FanOutLogOf, GivesANewCursorOnlyWhatComesAfterIt) {
  Cursor old, young;
  log_.attach(old);
  append("before");
  log_.attach(young);
  EXPECT_TRUE(young.is_caught_up());
  EXPECT_EQ(append("after"), (std::vector<Cursor*>{&young}));
  EXPECT_EQ(begin(young), "after");
  EXPECT_EQ(begin(old), "beforeafter");
  EXPECT_TRUE(log_.end_flight(young));
  EXPECT_TRUE(log_.end_flight(old));
  log_.detach(old);
  log_.detach(young);
}

TEST_F(FanOutLogOf, FreesTheFrontOnceNobodyStandsInIt) {
  Cursor quick, slow;
  log_.attach(quick);
  log_.attach(slow);
  append(std::string(400, 'a'));
  append(std::string(3900, 'b'));
  EXPECT_EQ(pool_.bytes_in_use(), k512 + k4096);
  begin(quick);
  log_.end_flight(quick);
  EXPECT_EQ(log_.front_standing(), &slow);
  EXPECT_EQ(pool_.bytes_in_use(), k512 + k4096);
  EXPECT_EQ(begin(slow, 400), std::string(400, 'a'));
  EXPECT_FALSE(log_.end_flight(slow));
  EXPECT_EQ(pool_.bytes_in_use(), k4096);
  log_.detach(slow);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
  log_.detach(quick);
}

TEST_F(FanOutLogOf, KeepsAChunkForAFlightThatBeganInIt) {
  Cursor cursor;
  log_.attach(cursor);
  append(std::string(400, 'a'));
  append(std::string(3900, 'b'));
  const std::string flying = begin(cursor);
  append(std::string(3000, 'c'));
  EXPECT_EQ(pool_.bytes_in_use(), k512 + k4096 + k16384);
  EXPECT_EQ(read(spans_), flying);
  EXPECT_FALSE(log_.end_flight(cursor));
  EXPECT_EQ(pool_.bytes_in_use(), k16384);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, EndsAFlightOnAFrameBorder) {
  Cursor cursor;
  log_.attach(cursor);
  append(std::string(400, 'a'));
  append(std::string(4096, 'b'));
  append(std::string(16384, 'c'));
  // The first chunk goes whatever it holds; a further one only if it fits.
  EXPECT_EQ(begin(cursor, 1).size(), 400u);
  log_.end_flight(cursor);
  EXPECT_EQ(begin(cursor, 4096 + 16384).size(), 4096u + 16384);
  EXPECT_TRUE(log_.end_flight(cursor));
  append(std::string(60000, 'd'));
  append(std::string(4096, 'e'));
  append(std::string(16384, 'f'));
  EXPECT_EQ(begin(cursor, 60000 + 4096 + 16383).size(), 60000u + 4096);
  log_.end_flight(cursor);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, DoesNotBeginALargeBodyWithOneSpanLeft) {
  Cursor cursor;
  log_.attach(cursor);
  append(std::string(k512, 'a'));
  append("head:");
  log_.append_body(message("body"));
  EXPECT_EQ(begin(cursor, 65536, 2), std::string(k512, 'a'));
  log_.end_flight(cursor);
  EXPECT_EQ(begin(cursor, 65536, 2), std::string_view("head:body\0", 10));
  EXPECT_TRUE(log_.end_flight(cursor));
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, SendsALargeBodyWithoutCopyingIt) {
  Cursor cursor;
  log_.attach(cursor);
  Message& large = message("body");
  append("head:");
  log_.append_body(large);
  append("next");
  EXPECT_EQ(begin(cursor), std::string_view("head:body\0next", 14));
  ASSERT_EQ(spans_.size(), 3u);
  EXPECT_EQ(spans_[1].data, large.body().data());
  EXPECT_TRUE(log_.end_flight(cursor));
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, KeepsAReferencedBodyAliveByItself) {
  Cursor cursor;
  log_.attach(cursor);
  Message* large = tests::make_message({});
  append("head");
  log_.append_body(*large);
  large->drop_reference();
  EXPECT_EQ(begin(cursor), std::string_view("head\0", 5));
  log_.end_flight(cursor);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, KeepsOctetsInPlaceWhileTheyFly) {
  Cursor cursor;
  log_.attach(cursor);
  append("first");
  const std::string flying = begin(cursor);
  const void* const place = spans_[0].data;
  for (int n = 0; n < 2000; ++n) append(std::string(97, static_cast<char>('a' + n % 26)));
  EXPECT_EQ(spans_[0].data, place);
  EXPECT_EQ(read(spans_), flying);
  EXPECT_FALSE(log_.end_flight(cursor));
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, GrowsChunksWhileBusyAndShrinksThemWhenIdle) {
  Cursor cursor;
  log_.attach(cursor);
  size_t in_use = 0;
  for (const uint32_t capacity : {k512, k4096, k16384, k65536, k65536}) {
    append(std::string(capacity, 'x'));
    in_use += capacity;
    EXPECT_EQ(pool_.bytes_in_use(), in_use);
  }
  const auto catch_up = [&] {
    begin(cursor, 1 << 20);
    ASSERT_TRUE(log_.end_flight(cursor));
    ASSERT_EQ(pool_.bytes_in_use(), 0u);
  };
  catch_up();
  for (const uint32_t capacity : {k65536, k16384, k4096, k512, k512}) {
    append("x");
    EXPECT_EQ(pool_.bytes_in_use(), capacity);
    catch_up();
  }
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, TakesAFrameLargerThanAnyChunk) {
  Cursor cursor;
  log_.attach(cursor);
  const std::string frame(200'000, 'x');
  append(frame);
  EXPECT_EQ(pool_.bytes_in_use(), frame.size());
  EXPECT_EQ(begin(cursor, 1), frame);
  log_.end_flight(cursor);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, MeasuresLagFromWhereTheCursorStands) {
  Cursor cursor;
  log_.attach(cursor);
  EXPECT_EQ(log_.lag(cursor), 0u);
  append("12345");
  EXPECT_EQ(log_.lag(cursor), 5u);
  begin(cursor);
  append("678");
  EXPECT_EQ(log_.lag(cursor), 8u);
  log_.end_flight(cursor);
  EXPECT_EQ(log_.lag(cursor), 3u);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, CopiesWhatNoFlightCovers) {
  Cursor cursor;
  log_.attach(cursor);
  EXPECT_EQ(unsent(cursor), "");
  append("one");
  EXPECT_EQ(unsent(cursor), "one");
  begin(cursor);
  EXPECT_EQ(unsent(cursor), "");
  append("two");
  append("head");
  log_.append_body(message("body"));
  EXPECT_EQ(unsent(cursor), std::string_view("twoheadbody\0", 12));
  log_.end_flight(cursor);
  log_.detach(cursor);
}

TEST_F(FanOutLogOf, CountsTheChunksBegun) {
  Cursor cursor;
  log_.attach(cursor);
  append(std::string(k512, 'x'));
  EXPECT_EQ(log_.chunks_begun(), 1u);
  append("x");
  EXPECT_EQ(log_.chunks_begun(), 2u);
  append("x");
  EXPECT_EQ(log_.chunks_begun(), 2u);
  log_.append_body(message("body"));
  EXPECT_EQ(log_.chunks_begun(), 3u);
  log_.detach(cursor);
}

TEST(ChunkPool, GivesNoMoreMemoryToKeepThanItMay) {
  ChunkPool pool;
  std::vector<Chunk*> chunks;
  for (int n = 0; n < 200; ++n) chunks.push_back(pool.take(3, 1));
  EXPECT_EQ(pool.bytes_in_use(), 200u * k65536);
  for (Chunk* chunk : chunks) pool.give_back(chunk);
  EXPECT_EQ(pool.bytes_in_use(), 0u);
  EXPECT_EQ(pool.take(3, 1), chunks[(4 << 20) / 65536 - 1]) << "the last one that was kept";
  pool.give_back(chunks[(4 << 20) / 65536 - 1]);
}

// -- Against a plain model: one string of all octets ever appended, and an offset for each cursor
// and place.

struct ModelCursor {
  Cursor cursor;
  bool is_attached = false;
  bool is_caught_up = true;
  size_t position = 0;  // in the wire, of what it was given and has completed
  size_t flight_end = 0;
  std::vector<SendSpan> flight;
};

struct ModelPlace {
  LogPlace place;
  size_t position;
};

class FanOutModel {
 public:
  explicit FanOutModel(uint32_t seed) : random_(seed) {}
  ~FanOutModel() {
    for (Message* message : messages_) message->drop_reference();
  }

  void run(int steps) {
    for (int n = 0; n < steps && !::testing::Test::HasFailure(); ++n) step();
    for (ModelCursor& model : cursors_) {
      if (!model.flight.empty()) end(model);
      if (model.is_attached) detach(model);
    }
    for (const ModelPlace& one : places_) log_.release(one.place);
    EXPECT_EQ(pool_.bytes_in_use(), 0u);
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }

  void step() {
    ModelCursor& model = cursors_[below(cursors_.size())];
    switch (below(9)) {
      case 0:
      case 1:
        append();
        break;
      case 8:
        change_places();
        break;
      case 2:
        if (!model.is_attached) {
          if (places_.empty() || below(2) == 0) {
            attach(model);
          } else {
            attach_at(model);
          }
        } else if (below(6) == 0 && model.flight.empty()) {
          detach(model);
        }
        break;
      case 3:
      case 4:
        if (model.is_attached && !model.is_caught_up && model.flight.empty()) begin(model);
        break;
      default:
        if (!model.flight.empty()) end(model);
    }
    check();
  }

  void append() {
    const bool anybody = std::any_of(cursors_.begin(), cursors_.end(),
                                     [](const ModelCursor& m) { return m.is_attached; });
    EXPECT_EQ(log_.is_followed(), anybody || !places_.empty());
    if (!log_.is_followed()) return;
    const size_t sizes[] = {1 + below(40), 1 + below(600), 1 + below(5000), 1 + below(70'000)};
    std::string frame(sizes[below(20) < 17 ? below(2) : 2 + below(2)], ' ');
    for (char& octet : frame) octet = static_cast<char>(random_());
    uint8_t* at = log_.reserve(frame.size());
    while (Cursor* cursor = log_.wake_front()) {
      auto& model = *std::find_if(cursors_.begin(), cursors_.end(),
                                  [&](const ModelCursor& m) { return &m.cursor == cursor; });
      EXPECT_TRUE(model.is_attached && model.is_caught_up);
      model.is_caught_up = false;
      model.position = wire_.size();
    }
    std::copy(frame.begin(), frame.end(), at);
    log_.commit(frame.size());
    wire_ += frame;
    if (below(10) == 0) {
      const std::string body(below(3000), static_cast<char>('a' + below(26)));
      messages_.push_back(tests::make_message({.body = body}));
      log_.append_body(*messages_.back());
      wire_ += body;
      wire_ += '\0';
    }
    borders_.push_back(wire_.size());
    // The sequence is the frame's index.
    if (log_.has_marks()) log_.mark_frame(0, borders_.size() - 1);
  }

  void change_places() {
    if (places_.size() < 3 && below(2) == 0) {
      places_.push_back({log_.hold_end(), wire_.size()});
    } else if (!places_.empty()) {
      const auto one = places_.begin() + static_cast<ptrdiff_t>(below(places_.size()));
      log_.release(one->place);
      places_.erase(one);
    }
  }

  // At a place that is held, or at a frame behind the oldest of them.
  void attach_at(ModelCursor& model) {
    const ModelPlace& held = places_[below(places_.size())];
    LogPlace place = held.place;
    model.position = held.position;
    const size_t frame = below(borders_.size() + 1);
    const size_t begin = frame == 0 ? 0 : borders_[frame - 1];
    if (begin >= places_.front().position && below(2) == 0) {
      const auto found = log_.find(frame);
      EXPECT_EQ(found.has_value(), begin < wire_.size());
      if (found) {
        place = *found;
        model.position = begin;
      }
    }
    model.is_attached = true;
    model.is_caught_up = model.position == wire_.size();
    EXPECT_EQ(log_.attach_at(model.cursor, place), !model.is_caught_up);
  }

  void attach(ModelCursor& model) {
    log_.attach(model.cursor);
    model.is_attached = model.is_caught_up = true;
  }

  void detach(ModelCursor& model) {
    log_.detach(model.cursor);
    model.is_attached = false;
    model.is_caught_up = true;
  }

  void begin(ModelCursor& model) {
    const size_t bytes_max = below(3) == 0 ? 1 : below(100'000);
    size_t bytes = below(2) * below(1000);
    const size_t bytes_before = bytes;
    model.flight.resize(2 + below(15));
    model.flight.resize(log_.begin_flight(model.cursor, model.flight, bytes_max, bytes));
    const std::string octets = read(model.flight);
    ASSERT_EQ(octets.size(), bytes - bytes_before);
    model.flight_end = model.position + octets.size();
    ASSERT_FALSE(octets.empty());
    EXPECT_TRUE(std::binary_search(borders_.begin(), borders_.end(), model.flight_end));
    EXPECT_TRUE(wire_.compare(model.position, octets.size(), octets) == 0);
  }

  void end(ModelCursor& model) {
    const std::string octets = read(model.flight);
    EXPECT_TRUE(wire_.compare(model.position, octets.size(), octets) == 0)
        << "octets moved in flight";
    model.flight.clear();
    model.position = model.flight_end;
    model.is_caught_up = model.position == wire_.size();
    EXPECT_EQ(log_.end_flight(model.cursor), model.is_caught_up);
  }

  void check() {
    size_t lag_max = 0;
    for (const ModelCursor& model : cursors_) {
      EXPECT_EQ(model.cursor.is_in_flight(), !model.flight.empty());
      EXPECT_EQ(model.cursor.is_caught_up(), model.is_caught_up);
      if (!model.is_attached) continue;
      const size_t lag = model.is_caught_up ? 0 : wire_.size() - model.position;
      lag_max = std::max(lag_max, lag);
      EXPECT_EQ(log_.lag(model.cursor), lag);
      std::string unsent;
      log_.copy_unsent(model.cursor, [&](const uint8_t* data, size_t size) {
        unsent.append(reinterpret_cast<const char*>(data), size);
      });
      const size_t from = model.flight.empty() ? wire_.size() - lag : model.flight_end;
      EXPECT_TRUE(wire_.compare(from, std::string::npos, unsent) == 0);
    }
    for (const ModelPlace& one : places_) {
      EXPECT_EQ(log_.bytes_behind(one.place), wire_.size() - one.position);
    }
    if (places_.empty()) {
      EXPECT_EQ(lag_max == 0, pool_.bytes_in_use() == 0);
      EXPECT_EQ(lag_max == 0, log_.bytes() == 0);
    }
    EXPECT_EQ(lag_max == 0, log_.front_standing() == nullptr);
    EXPECT_GE(log_.bytes(), lag_max);
    if (Cursor* front = log_.front_standing()) {
      // It stands in the front chunk, as does the one that lags most.
      EXPECT_GE(log_.lag(*front) + 70'000, lag_max);
    }
  }

  std::mt19937 random_;
  ChunkPool pool_;
  FanOutLog log_{pool_};
  std::string wire_;
  std::vector<size_t> borders_;
  std::array<ModelCursor, 7> cursors_;
  std::vector<ModelPlace> places_;  // in the order of the log
  std::vector<Message*> messages_;
};

TEST(FanOutLog, BehavesAsOneStringWithOffsets) {
  for (uint32_t seed = 1; seed <= 40 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    FanOutModel(seed).run(400);
  }
}

// -- Places.

// A log whose frames are marked: one octet each, the sequence in digits.
class MarkedLog : public FanOutLogOf {
 protected:
  void append_marked(int from, int to) {
    for (int n = from; n <= to; ++n) {
      append(std::to_string(n % 10));
      if (log_.has_marks()) log_.mark_frame(0, static_cast<uint64_t>(n));
    }
  }
  std::string from(LogPlace place) const {
    std::string octets;
    log_.copy_from(place, log_.end(), [&](const uint8_t* data, size_t size) {
      octets.append(reinterpret_cast<const char*>(data), size);
    });
    return octets;
  }
  std::string find(uint64_t sequence) const {
    const std::optional<LogPlace> place = log_.find(sequence);
    return place ? from(*place) : "none";
  }
};

TEST_F(MarkedLog, KeepsWhatIsBehindAPlaceThatIsHeld) {
  const LogPlace place = log_.hold_end();
  append_marked(1, 3);
  Cursor cursor;
  EXPECT_TRUE(log_.attach_at(cursor, place));
  EXPECT_EQ(begin(cursor), "123");
  EXPECT_TRUE(log_.end_flight(cursor));
  EXPECT_EQ(from(place), "123");
  EXPECT_EQ(log_.bytes_behind(place), 3u);
  log_.release(place);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
  log_.detach(cursor);
}

TEST_F(MarkedLog, IsCaughtUpAtAPlaceWithNothingBehindIt) {
  const LogPlace place = log_.hold_end();
  Cursor cursor;
  EXPECT_FALSE(log_.attach_at(cursor, place));
  EXPECT_EQ(log_.caught_up_front(), &cursor);
  EXPECT_EQ(append("a").size(), 1u);
  EXPECT_EQ(unsent(cursor), "a");
  log_.detach(cursor);
  log_.release(place);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
}

TEST_F(MarkedLog, HoldsAPlaceAtTheEndOfAFullChunk) {
  Cursor keeper;
  log_.attach(keeper);
  append(std::string(k512, 'x'));
  const LogPlace place = log_.hold_end();
  append_marked(1, 2);
  Cursor cursor;
  EXPECT_TRUE(log_.attach_at(cursor, place));
  EXPECT_EQ(begin(cursor), "12");
  EXPECT_TRUE(log_.end_flight(cursor));
  log_.release(place);
  log_.detach(cursor);
  log_.detach(keeper);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
}

TEST_F(MarkedLog, HoldsMorePlacesThanAChunkCounts) {
  std::vector<LogPlace> places;
  for (int n = 0; n < UINT16_MAX + 1; ++n) places.push_back(log_.hold_end());
  EXPECT_NE(places.front().chunk, places.back().chunk);
  append_marked(1, 2);
  for (const LogPlace& place : {places.front(), places.back()}) {
    Cursor cursor;
    EXPECT_TRUE(log_.attach_at(cursor, place));
    EXPECT_EQ(begin(cursor), "12");
    EXPECT_TRUE(log_.end_flight(cursor));
    log_.detach(cursor);
  }
  for (const LogPlace& place : places) log_.release(place);
  EXPECT_EQ(pool_.bytes_in_use(), 0u);
}

TEST_F(MarkedLog, FindsTheFrameOfASequence) {
  const LogPlace place = log_.hold_end();
  append_marked(3, 5);
  EXPECT_EQ(find(4), "45");
  EXPECT_EQ(find(1), "345");
  EXPECT_EQ(find(5), "5");
  EXPECT_EQ(find(6), "none");
  EXPECT_EQ(log_.last_sequence(), 5u);
  log_.release(place);
  EXPECT_FALSE(log_.has_marks());
}

TEST_F(MarkedLog, FindsNothingBeforeAReferencedBodyWhoseHeadIsGone) {
  Cursor cursor;
  log_.attach(cursor);
  append_marked(1, 1);
  append("head");
  log_.append_body(message("body"));
  const LogPlace place = log_.hold_end();
  append_marked(3, 3);
  (void)begin(cursor);
  EXPECT_TRUE(log_.end_flight(cursor));
  EXPECT_EQ(find(1), "3");
  EXPECT_EQ(find(3), "3");
  log_.release(place);
  log_.detach(cursor);
}

TEST_F(MarkedLog, LooksForLaggardsBehindAPlaceThatIsHeld) {
  const LogPlace place = log_.hold_end();
  append(std::string(k512, 'x'));
  Cursor cursor;
  log_.attach(cursor);
  append("a");
  EXPECT_EQ(log_.front_standing(), &cursor);
  log_.detach(cursor);
  EXPECT_EQ(log_.front_standing(), nullptr);
  log_.release(place);
}

TEST(FrameMarks, NumbersGrowAndAreRaised) {
  FrameMarks marks(10);
  marks.add(20, 0, 1);
  marks.raise_next_number(7);
  marks.raise_next_number(3);
  marks.add(30, 0, 2);
  EXPECT_EQ(marks.at(0).number, 1u);
  EXPECT_EQ(marks.at(1).number, 7u);
  EXPECT_EQ(marks.begin_of_sequence(1), 10u);
  EXPECT_EQ(marks.begin_of_sequence(2), 20u);
  EXPECT_EQ(marks.begin_of_sequence(3), std::nullopt);
  EXPECT_EQ(marks.index_behind(20), 1u);
  marks.trim(15);
  EXPECT_EQ(marks.size(), 1u);
  EXPECT_EQ(marks.begin_of_sequence(1), 20u);
}

}  // namespace
}  // namespace stampede::core
