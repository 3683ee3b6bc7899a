#include "net/event_log.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace stampede::net {
namespace {

// After each look the thread lets records gather, so that a storm of closes wakes it a hundred
// times a second and not once a turn.
constexpr std::chrono::milliseconds kGather{10};

template <size_t N>
uint8_t copy_text(std::array<char, N>& to, std::string_view from) {
  static_assert(N <= 255);
  const size_t size = std::min(from.size(), N);
  std::memcpy(to.data(), from.data(), size);
  return static_cast<uint8_t>(size);
}

void append_escaped(std::string& line, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (octet >= ' ' && octet < 0x7f) {
      line += c;
    } else {
      line += "\\x";
      line += kHex[octet >> 4];
      line += kHex[octet & 15];
    }
  }
}

}  // namespace

std::string format_record(core::ShardId shard, const LogRecord& record) {
  const std::string_view text(record.text.data(), record.text_size);
  std::string line;
  if (record.kind == LogRecord::Kind::kNote) {
    append_escaped(line, text);
    return line + " shard=" + std::to_string(shard);
  }
  line = "close shard=" + std::to_string(shard) + " client=" + std::to_string(record.client) +
         " peer=";
  append_escaped(line, {record.peer.data(), record.peer_size});
  line += " reason=";
  line += core::to_string(record.reason);
  line += " frames=" + std::to_string(record.frames);
  line += " pending=" + std::to_string(record.pending_bytes);
  line += " detail=\"";
  append_escaped(line, text);
  line += '"';
  return line;
}

void ShardLog::on_client_closed(const core::ClosedClient& client) {
  LogRecord record = {};
  record.kind = LogRecord::Kind::kClose;
  record.level = LogLevel::kInfo;
  record.client = client.id;
  record.frames = client.frames_received;
  record.pending_bytes = client.pending_bytes;
  record.reason = client.reason;
  record.peer_size = copy_text(record.peer, client.peer);
  record.text_size = copy_text(record.text, client.detail);
  push(record);
}

void ShardLog::on_slow_consumer(const core::SlowConsumer& consumer, core::Millis now) {
  if (now < next_slow_line_at_) {
    ++slow_untold_;
    return;
  }
  next_slow_line_at_ = now + kSlowLineEveryMs;
  std::string line = consumer.has_recovered ? "slow_consumer_recovered" : "slow_consumer";
  line.append(" client=").append(std::to_string(consumer.client_id));
  line.append(" peer=").append(consumer.peer);
  line.append(" policy=").append(core::to_string(consumer.policy));
  line.append(" unsent=").append(std::to_string(consumer.unsent_bytes));
  line.append(" untold=").append(std::to_string(std::exchange(slow_untold_, 0)));
  // Last, as it may be cut.
  line.append(" destination=").append(consumer.destination);
  note(consumer.has_recovered ? LogLevel::kInfo : LogLevel::kWarn, line);
}

void ShardLog::on_memory_step(core::MemoryBudget::Step step, uint64_t used, uint64_t limit) {
  const bool is_worse = step.after > step.before;
  note(is_worse ? LogLevel::kWarn : LogLevel::kInfo,
       "memory stage=" + std::string(core::to_string(step.after)) +
           " was=" + std::string(core::to_string(step.before)) + " used=" + std::to_string(used) +
           " limit=" + std::to_string(limit));
}

void ShardLog::note(LogLevel level, std::string_view text) noexcept {
  LogRecord record = {};
  record.kind = LogRecord::Kind::kNote;
  record.level = level;
  record.text_size = copy_text(record.text, text);
  push(record);
}

void ShardLog::push(const LogRecord& record) noexcept {
  // relaxed: a statistic.
  if (!records_.try_push(record)) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void ShardLog::publish() noexcept {
  if (records_.publish()) reader_.wake();
}

EventLog::EventLog(core::ShardId shards, LogSink sink)
    : sink_(std::move(sink)), dropped_told_(shards, 0) {
  for (core::ShardId id = 0; id < shards; ++id)
    shards_.push_back(std::make_unique<ShardLog>(wakeup_));
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "log");
}

void EventLog::stop() {
  if (!thread_.joinable()) return;
  // release: pairs with the acquire in run(); what the shards published is visible to the last
  // drain().
  stopping_.store(true, std::memory_order_release);
  wakeup_.wake();
  thread_.join();
}

void EventLog::run() {
  // acquire: pairs with stop().
  while (!stopping_.load(std::memory_order_acquire)) {
    if (drain()) {
      std::this_thread::sleep_for(kGather);
      continue;
    }
    wakeup_.prepare_sleep();
    if (!has_work() && !stopping_.load(std::memory_order_acquire)) {
      pollfd waiting = {.fd = wakeup_.fd(), .events = POLLIN, .revents = 0};
      (void)poll(&waiting, 1, -1);
      wakeup_.consume();
    }
    wakeup_.finish_sleep();
  }
  drain();
}

bool EventLog::drain() {
  bool found = false;
  for (core::ShardId id = 0; id < shards_.size(); ++id) {
    LogRecord record;
    while (shards_[id]->take(record)) {
      found = true;
      if (sink_) sink_(record.level, format_record(id, record));
    }
    const uint64_t dropped = shards_[id]->dropped();
    if (dropped == dropped_told_[id]) continue;
    if (sink_) {
      sink_(LogLevel::kWarn, "log_dropped lines=" + std::to_string(dropped - dropped_told_[id]) +
                                 " shard=" + std::to_string(id));
    }
    dropped_told_[id] = dropped;
  }
  return found;
}

bool EventLog::has_work() const {
  return std::ranges::any_of(shards_, [](const auto& shard) { return !shard->is_empty(); });
}

}  // namespace stampede::net
