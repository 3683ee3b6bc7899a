#include "tools/stampede/option_table.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/shard_types.h"
#include "tools/stampede/option_kinds.h"
#include "tools/stampede/special_options.h"
#include "tools/stampede/units.h"

namespace stampede::tools {
namespace {

using core::Options;
using net::Pin;
using net::ServerOptions;

constexpr uint64_t operator""_KiB(unsigned long long number) { return number * 1024; }
constexpr uint64_t operator""_MiB(unsigned long long number) { return number * 1024 * 1024; }
constexpr uint64_t operator""_GiB(unsigned long long number) { return number * 1024 * 1024 * 1024; }

constexpr Range<int64_t> kDeadline = {1, kDeadlineMax};

void add_running(std::vector<Option>& table) {
  const std::string listening = "Listening";
  table.push_back(listen_option(listening));
  table.push_back(on_off_option("allow-anonymous", listening,
                                "Let listeners, and --admin, bind beyond loopback without accounts",
                                &ServerOptions::allow_anonymous));
  table.push_back(text_option("ports-file", listening, "FILE",
                              "Write the bound addresses there as JSON when ready",
                              &Settings::ports_file));
  table.push_back(
      text_option("takeover", listening, "SOCKET",
                  "Take the place of the broker that listens on this Unix socket, if there "
                  "is one, and let the next one take ours",
                  &Settings::takeover));
  table.push_back(number_or_auto("max-connections", listening,
                                 "Open connections; auto is the limit of open files less a reserve",
                                 &ServerOptions::connections_max, {1, 10'000'000}));
  table.push_back(count_option("max-connections-per-address", listening,
                               "Open connections of one address; 0 is no limit",
                               &ServerOptions::connections_per_address_max, {0, 10'000'000}));
  table.push_back(memory_limit_option(listening));
  table.push_back(size_option("send-buffer", listening,
                              "The kernel's send buffer per connection; 0 leaves it to the kernel",
                              &ServerOptions::send_buffer_bytes, {0, 64_MiB}));
  table.push_back(duration_or_auto(
      "drain-delay", listening,
      "How long after TERM connections are still accepted, while /readyz fails already; auto is 5s "
      "if somebody asked /readyz within a minute, else 0",
      &Settings::drain_delay_ms, {0, kDeadlineMax}));
  table.push_back(
      duration_option("drain-time", listening,
                      "How long clients then have to leave; most of it is for spreading "
                      "their goodbyes",
                      &Settings::drain_time_ms, {0, kDeadlineMax}));
  table.push_back(count_option("drain-rate", listening,
                               "Clients a second that leave at least, however long there is",
                               &ServerOptions::drain_rate, {1, 10'000'000}));

  table.push_back(admin_option("Admin"));

  const std::string shards = "Shards";
  table.push_back(number_or_auto("shards", shards,
                                 "Threads with a ring each; auto is one per usable core",
                                 &ServerOptions::shards, {1, core::kShardsMax}));
  table.push_back(cpus_option(shards));
  table.push_back(choice_option<Pin>(
      "pin", shards, "Tie each shard to its CPU; auto does if no CPU gets two", &ServerOptions::pin,
      {{"on", Pin::kOn}, {"off", Pin::kOff}, {"auto", Pin::kAuto}}));
  table.push_back(number_option<int64_t>(
      "spin", shards, "TIME",
      "How long a shard looks for work before it sleeps; also us; 0 is never",
      &ServerOptions::spin_us, {0, 1'000'000}, parse_microseconds, format_microseconds));
  table.push_back(mailbox_slots_option(shards));
}

void add_frames(std::vector<Option>& table) {
  const std::string stomp = "STOMP frames";
  table.push_back(size_option("max-frame-size", stomp, "Largest frame, headers and body",
                              &Options::frame_bytes_max, {1_KiB, 64_MiB}));
  table.push_back(size_option("max-frame-size-before-connect", stomp,
                              "Largest frame before CONNECT succeeded",
                              &Options::frame_bytes_before_connect_max, {256, 64_MiB}));
  table.push_back(
      count_option("max-headers", stomp, "Headers of a frame", &Options::headers_max, {4, 10'000}));
  table.push_back(size_option("max-header-size", stomp, "Longest header line",
                              &Options::header_line_bytes_max, {64, 1_MiB}));
  table.push_back(size_option("max-header-total", stomp, "All header lines of a frame",
                              &Options::header_total_bytes_max, {128, 16_MiB}));

  const std::string websocket = "WebSocket and HTTP";
  table.push_back(size_option("max-websocket-message-size", websocket,
                              "Largest WebSocket message; 0 is four times --max-frame-size",
                              &Options::websocket_message_bytes_max, {0, 1_GiB}));
  table.push_back(count_option("max-websocket-fragments", websocket,
                               "Fragments of a WebSocket message",
                               &Options::websocket_fragments_max, {1, 1'048'576}));
  table.push_back(size_option("max-http-head-size", websocket,
                              "Request line and headers of the opening handshake",
                              &Options::http_head_bytes_max, {256, 1_MiB}));
  table.push_back(count_option("max-http-headers", websocket, "Headers of the opening handshake",
                               &Options::http_headers_max, {4, 1'000}));
  table.push_back(
      list_option("allowed-origins", websocket, "LIST",
                  "Pages that may connect: same-host, https://a.example, https://*.example or *",
                  &Options::allowed_origins));
}

void add_sessions(std::vector<Option>& table) {
  const std::string sessions = "Sessions";
  table.push_back(count_option("max-subscriptions", sessions, "Subscriptions of a connection",
                               &Options::subscriptions_max, {1, 1'000'000}));
  table.push_back(size_option("max-subscription-id-length", sessions,
                              "Longest id of a subscription", &Options::subscription_id_bytes_max,
                              {1, 64_KiB}));
  table.push_back(size_option("max-destination-length", sessions, "Longest destination",
                              &Options::destination_bytes_max, {1, 64_KiB}));
  table.push_back(count_option("max-destination-levels", sessions, "Levels of a destination",
                               &Options::destination_levels_max, {1, 1'024}));
  table.push_back(size_option("max-selector-length", sessions, "Longest selector of a SUBSCRIBE",
                              &Options::selector_bytes_max, {1, 64_KiB}));
  table.push_back(size_option("max-selector-body", sessions,
                              "Largest body that selectors look into",
                              &Options::selector_body_bytes_max, {0, 64_MiB}));
  table.push_back(count_option("max-composite-destinations", sessions,
                               "Parts of a destination such as /topic/a,/queue/b",
                               &Options::composite_destinations_max, {1, 1'024}));
  table.push_back(count_option("max-receipts-pending", sessions,
                               "Receipts of a connection that wait for another shard",
                               &Options::receipts_pending_max, {1, 1'000'000}));
  table.push_back(count_option("default-prefetch", sessions,
                               "Messages that may wait for ACK, of who asks for no number",
                               &Options::prefetch_default, {1, 1'000'000}));
  table.push_back(count_option("max-prefetch", sessions,
                               "Messages of a subscription that may wait for ACK",
                               &Options::prefetch_max, {1, 1'000'000}));
  table.push_back(count_option("max-destinations", sessions,
                               "Destinations each shard keeps; the oldest idle ones go first",
                               &Options::destinations_max, {1, 100'000'000}));

  table.push_back(count_option("max-transactions", sessions, "Open transactions of a connection",
                               &Options::transactions_max, {0, 100'000}));
  table.push_back(count_option("max-transaction-frames", sessions,
                               "SENDs, ACKs and NACKs of a transaction",
                               &Options::transaction_steps_max, {1, 10'000'000}));
  table.push_back(size_option("max-transaction-bytes", sessions, "Messages of a transaction",
                              &Options::transaction_bytes_max, {1_KiB, 1_GiB}));

  const std::string duplicates = "Duplicates";
  table.push_back(count_option("dedup-window", duplicates,
                               "Message ids remembered per destination; 0 remembers none",
                               &Options::dedup_window, {0, 16'777'216}));
  table.push_back(duration_option("dedup-time", duplicates, "How long a message id is remembered",
                                  &Options::dedup_time_ms, kDeadline));
}

void add_queues(std::vector<Option>& table) {
  const std::string queues = "Queues";
  table.push_back(count_option("max-queue-messages", queues,
                               "Messages in a queue, those at consumers too",
                               &Options::queue_messages_max, {1, 1'000'000'000}));
  table.push_back(size_option("max-queue-bytes", queues, "Memory of the messages in a queue",
                              &Options::queue_bytes_max, {1_KiB, 1024_GiB}));
  table.push_back(choice_option<core::QueueFullPolicy>(
      "queue-full", queues, "What one more message does to a full queue",
      &Options::queue_full_policy,
      {{"refuse", core::QueueFullPolicy::kRefuse},
       {"drop-oldest", core::QueueFullPolicy::kDropOldest},
       {"dead-letter", core::QueueFullPolicy::kDeadLetter}}));
  table.push_back(duration_option("queue-full-wait", queues,
                                  "How long a full queue that refuses may let nobody in before "
                                  "publishers that wait are refused; 0 refuses at once",
                                  &Options::queue_full_wait_ms, {0, kDeadlineMax}));
  table.push_back(count_option("max-deliveries", queues,
                               "Failed deliveries that make a message a dead letter",
                               &Options::queue_deliveries_max, {1, 1'000'000}));
  table.push_back(duration_option("queue-idle-time", queues,
                                  "How long a queue without messages and consumers is remembered",
                                  &Options::queue_idle_ms, kDeadline));
}

void add_kept(std::vector<Option>& table) {
  const std::string kept = "Last values and history of topics, of each shard";
  table.push_back(count_option("max-retained", kept, "Last values (retain:set)",
                               &Options::retained_max, {0, 100'000'000}));
  table.push_back(size_option("max-retained-bytes", kept, "Memory of the last values",
                              &Options::retained_bytes_max, {0, 1024_GiB}));
  table.push_back(duration_option("retain-time", kept,
                                  "How long a last value is kept; 0 is for ever",
                                  &Options::retain_time_ms, {0, kDeadlineMax}));
  table.push_back(history_option(kept));
  table.push_back(size_option("max-history-bytes", kept, "Memory of all histories",
                              &Options::history_bytes_max, {0, 1024_GiB}));
  table.push_back(size_option("max-replay-bytes", kept,
                              "What was encoded for who resumes and waits for others who do",
                              &Options::replay_bytes_max, {0, 1024_GiB}));
}

void add_deadlines(std::vector<Option>& table) {
  const std::string deadlines = "Deadlines";
  table.push_back(duration_option("http-timeout", deadlines,
                                  "Accept to the end of the opening handshake",
                                  &Options::http_timeout_ms, kDeadline));
  table.push_back(duration_option("connect-timeout", deadlines,
                                  "Opening handshake (TCP: accept) to CONNECT",
                                  &Options::connect_timeout_ms, kDeadline));
  table.push_back(duration_option("close-linger", deadlines,
                                  "How long a closing connection may take to leave",
                                  &Options::close_linger_ms, kDeadline));
  table.push_back(heart_beat_option(deadlines));
  table.push_back(duration_option("heart-beat-min", deadlines,
                                  "Shortest heart-beat, whatever a client asks for",
                                  &Options::heart_beat_ms_min, kDeadline));
  table.push_back(
      duration_option("heart-beat-max", deadlines,
                      "Longest heart-beat; a client that promises less often promises none",
                      &Options::heart_beat_ms_max, kDeadline));
  table.push_back(number_option<double>("heart-beat-tolerance", deadlines, "RATIO",
                                        "Heart-beat intervals of silence that end a connection",
                                        &Options::heart_beat_tolerance, {1, 100}, parse_ratio,
                                        format_ratio));
  table.push_back(
      duration_option("ping-interval", deadlines,
                      "Silence before a WebSocket client without heart-beats is pinged; "
                      "0 pings nobody",
                      &Options::ping_interval_ms, {0, kDeadlineMax}));
  table.push_back(duration_option("ping-timeout", deadlines, "How long it may then stay silent",
                                  &Options::ping_timeout_ms, kDeadline));
  table.push_back(duration_or_auto(
      "tcp-user-timeout", deadlines,
      "How long a peer may acknowledge nothing; auto is twice --slow-consumer-after, 30s at least; "
      "0 leaves it to the kernel",
      &ServerOptions::user_timeout_ms, {0, kDeadlineMax}));

  const std::string slow = "Slow consumers";
  table.push_back(slow_consumer_option(slow));
  table.push_back(size_option("slow-consumer-bytes", slow,
                              "Unsent bytes of a connection, or of a subscription that drops",
                              &Options::slow_consumer_bytes, {4_KiB, 16_GiB}));
  table.push_back(duration_option("slow-consumer-after", slow,
                                  "How long a reader may take nothing at all",
                                  &Options::slow_consumer_after_ms, kDeadline));
  table.push_back(size_option("max-publisher-lead", slow,
                              "Lag of most readers of a topic that holds its publishers back",
                              &Options::publisher_lead_bytes_max, {1_KiB, 16_GiB}));
  table.push_back(size_option("max-send-size", slow, "Largest single send",
                              &Options::send_bytes_max, {1_KiB, 16_MiB}));
}

void add_log(std::vector<Option>& table) {
  const std::string log = "Log";
  table.push_back(choice_option<net::LogLevel>("log-level", log, "Least severe lines to write",
                                               &Settings::log_level,
                                               {{"debug", net::LogLevel::kDebug},
                                                {"info", net::LogLevel::kInfo},
                                                {"warn", net::LogLevel::kWarn},
                                                {"error", net::LogLevel::kError}}));
  table.push_back(
      choice_option<LogFormat>("log-format", log, "How a line looks", &Settings::log_format,
                               {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}));
  table.push_back(text_option("log-file", log, "FILE",
                              "Append to FILE instead of stderr; USR1 opens it again",
                              &Settings::log_file));
}

std::string spelled(std::string_view name, char separator, int (*letter)(int)) {
  std::string text(name);
  for (char& c : text) {
    c = c == '-' ? separator : static_cast<char>(letter(static_cast<unsigned char>(c)));
  }
  return text;
}

}  // namespace

std::string_view to_string(Source source) {
  constexpr std::array<std::string_view, 4> kNames = {"default", "file", "environment", "flag"};
  return kNames[static_cast<size_t>(source)];
}

std::string Option::environment_name() const {
  return "STAMPEDE_" + spelled(name, '_', std::toupper);
}
std::string Option::file_key() const { return spelled(name, '_', std::tolower); }

const std::vector<Option>& option_table() {
  static const std::vector<Option> table = [] {
    std::vector<Option> rows;
    add_running(rows);
    add_frames(rows);
    add_sessions(rows);
    add_queues(rows);
    add_kept(rows);
    add_deadlines(rows);
    add_log(rows);
    return rows;
  }();
  return table;
}

std::span<const ActionFlag> action_table() {
  static constexpr std::array<ActionFlag, 5> kActions = {{
      {Action::kCheckConfig, "check-config",
       "Read flags, environment and file, print OK or every error, and exit"},
      {Action::kCheckSystem, "check-system",
       "Say whether this system has what the broker needs, and exit"},
      {Action::kPrintConfig, "print-config",
       "Print the settings in effect and where each is from, and exit"},
      {Action::kVersion, "version", "Print one line about this build, and exit"},
      {Action::kHelp, "help", "Print this text, and exit"},
  }};
  return kActions;
}

const Option* find_option_by_key(std::string_view key) {
  const auto found = std::ranges::find(option_table(), key, &Option::file_key);
  return found == option_table().end() ? nullptr : &*found;
}

std::vector<std::string> check_together(const Settings& settings) {
  std::vector<std::string> errors;
  const Options& broker = settings.broker;
  if (broker.frame_bytes_before_connect_max > broker.frame_bytes_max) {
    errors.push_back("--max-frame-size-before-connect " +
                     format_size(broker.frame_bytes_before_connect_max) +
                     " is larger than --max-frame-size " + format_size(broker.frame_bytes_max));
  }
  if (broker.header_line_bytes_max > broker.header_total_bytes_max) {
    errors.push_back("--max-header-size " + format_size(broker.header_line_bytes_max) +
                     " is larger than --max-header-total " +
                     format_size(broker.header_total_bytes_max));
  }
  if (broker.heart_beat_ms_min > broker.heart_beat_ms_max) {
    errors.push_back("--heart-beat-min " + format_duration(broker.heart_beat_ms_min) +
                     " is longer than --heart-beat-max " +
                     format_duration(broker.heart_beat_ms_max));
  }
  const int64_t longest = std::max(broker.heart_beat_send_ms, broker.heart_beat_receive_ms);
  if (longest > broker.heart_beat_ms_max) {
    errors.push_back("--heart-beat has " + format_duration(longest) +
                     ", which is longer than --heart-beat-max " +
                     format_duration(broker.heart_beat_ms_max));
  }
  if (settings.listen.empty()) errors.push_back("--listen: nothing to listen on");
  return errors;
}

}  // namespace stampede::tools
