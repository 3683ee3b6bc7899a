#include "tools/stampede/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "tools/stampede/log_line.h"

namespace stampede::tools {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";
// %v is the members that json_members() made.
constexpr const char* kJsonPattern = R"({"ts":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";

spdlog::level::level_enum to_spdlog(net::LogLevel level) {
  switch (level) {
    case net::LogLevel::kDebug:
      return spdlog::level::debug;
    case net::LogLevel::kInfo:
      return spdlog::level::info;
    case net::LogLevel::kWarn:
      return spdlog::level::warn;
    case net::LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// One write() a line, so that lines of several programs in one file do not mix. spdlog's own file
// sink cannot open its file again.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit DescriptorSink(std::string path) : path_(std::move(path)) {}
  ~DescriptorSink() override { close_file(); }

  // Lines that were lost before the last one, which was not. Each is told once.
  [[nodiscard]] uint64_t take_lost() {
    const std::lock_guard lock(mutex_);
    return is_writing_ ? std::exchange(lost_, 0) : 0;
  }

  Result<void> open_file() {
    const std::lock_guard lock(mutex_);
    if (path_.empty()) return {};
    const int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
      return std::unexpected("cannot open the log file " + path_ + ": " + std::strerror(errno));
    close_file();
    fd_ = fd;
    is_torn_ = false;
    return {};
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // A log that cannot be written to (disk full, reader gone) must not stop the broker: the line
    // is lost, and so is a part of one, which ends where the next begins.
    is_writing_ = (!is_torn_ || write_all("\n")) && write_all({line.data(), line.size()});
    if (!is_writing_) ++lost_;
  }

  bool write_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      text.remove_prefix(static_cast<size_t>(written));
      is_torn_ = !text.empty();
    }
    return true;
  }
  void flush_() override {}

  void close_file() {
    if (fd_ != STDERR_FILENO) ::close(fd_);
  }

  const std::string path_;
  int fd_ = STDERR_FILENO;
  bool is_writing_ = true;
  bool is_torn_ = false;  // the last octet written ends no line
  uint64_t lost_ = 0;
};

}  // namespace

struct Log::State {
  std::shared_ptr<DescriptorSink> sink;
  spdlog::logger logger;
  net::LogLevel level_min;
  bool is_json;

  void write(net::LogLevel level, std::string_view line) {
    write_line(level, line);
    if (const uint64_t lost = sink->take_lost(); lost > 0)
      write_line(net::LogLevel::kWarn, "log_lost lines=" + std::to_string(lost));
  }
  void write_line(net::LogLevel level, std::string_view line) {
    const std::string text = is_json ? json_members(line) : std::string(line);
    logger.log(to_spdlog(level), spdlog::string_view_t(text));
  }
};

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(const Settings& settings) {
  auto sink = std::make_shared<DescriptorSink>(settings.log_file);
  if (Result<void> opened = sink->open_file(); !opened) return std::unexpected(opened.error());
  const bool is_json = settings.log_format == LogFormat::kJson;
  auto state =
      std::make_unique<State>(sink, spdlog::logger("stampede", sink), settings.log_level, is_json);
  state->logger.set_level(spdlog::level::trace);
  state->logger.set_pattern(is_json ? kJsonPattern : kTextPattern);
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

void Log::write(net::LogLevel level, std::string_view line) {
  if (level >= state_->level_min) state_->write(level, line);
}

void Log::answer(std::string_view line) { state_->write(net::LogLevel::kInfo, line); }

Result<void> Log::reopen() { return state_->sink->open_file(); }

}  // namespace stampede::tools
