#include "tools/stampede/special_options.h"

#include <bit>
#include <cstdint>
#include <utility>

#include "core/destination_name.h"
#include "core/slow_terms.h"
#include "net/cpus.h"
#include "net/listen_uri.h"
#include "tools/stampede/option_kinds.h"

namespace stampede::tools {

using core::Options;

Option cpus_option(std::string group) {
  auto set = [](Settings& settings, const Values& values) -> Result<void> {
    settings.server.cpus.clear();
    if (values.back() == "all") return {};
    Result<std::vector<int>> cpus = net::parse_cpu_list(values.back());
    if (!cpus) return std::unexpected(cpus.error());
    settings.server.cpus = std::move(*cpus);
    return {};
  };
  auto get = [](const Settings& settings) {
    return settings.server.cpus.empty() ? std::string("all")
                                        : format_cpu_list(settings.server.cpus);
  };
  return {
      .name = "cpus",
      .group = std::move(group),
      .value_name = "LIST",
      .help = "CPUs that shards may be placed on, such as 0-3,6",
      .is_list = false,
      .set = set,
      .get = get,
  };
}

Option heart_beat_option(std::string group) {
  auto set = [](Settings& settings, const Values& values) -> Result<void> {
    const Values parts = split_list(values.back());
    if (parts.size() != 2)
      return std::unexpected("'" + values.back() + "' is not two durations such as 10s,10s");
    const Result<int64_t> send = parse_duration(parts[0]);
    if (!send) return std::unexpected(send.error());
    const Result<int64_t> receive = parse_duration(parts[1]);
    if (!receive) return std::unexpected(receive.error());
    if (*send > kDeadlineMax || *receive > kDeadlineMax) {
      return std::unexpected("'" + values.back() + "': more than " + format_duration(kDeadlineMax));
    }
    settings.broker.heart_beat_send_ms = *send;
    settings.broker.heart_beat_receive_ms = *receive;
    return {};
  };
  auto get = [](const Settings& settings) {
    return format_duration(settings.broker.heart_beat_send_ms) + "," +
           format_duration(settings.broker.heart_beat_receive_ms);
  };
  return {
      .name = "heart-beat",
      .group = std::move(group),
      .value_name = "SX,SY",
      .help = "Heart-beats the broker can send and wants to receive; 0 is none",
      .is_list = false,
      .set = set,
      .get = get,
  };
}

// Each URI is read here, so that an error names the line or the variable it is from.
Option listen_option(std::string group) {
  Option option = list_option("listen", std::move(group), "URI",
                              "ws://HOST:PORT[/PATH] or stomp://HOST:PORT; port 0 picks one",
                              &Settings::listen);
  option.set = [set = option.set](Settings& settings, const Values& uris) -> Result<void> {
    for (const std::string& uri : uris) {
      const Result<net::ListenUri> parsed = net::parse_listen_uri(uri);
      if (!parsed) return std::unexpected(parsed.error());
    }
    return set(settings, uris);
  };
  return option;
}

Result<std::optional<net::AdminListener::Options>> parse_admin(std::string_view text) {
  if (text == "off") return std::nullopt;
  // An address as a stomp:// listener has it.
  const Result<net::ListenUri> uri = net::parse_listen_uri("stomp://" + std::string(text));
  if (!uri || text.find('/') != text.npos) {
    return std::unexpected("'" + std::string(text) +
                           "' is not HOST:PORT, such as 127.0.0.1:15672, and not off");
  }
  return net::AdminListener::Options{.host = uri->host, .port = uri->port};
}

Option admin_option(std::string group) {
  Option option = text_option("admin", std::move(group), "HOST:PORT|off",
                              "HTTP for operators: /metrics /livez /readyz /varz /connz /destz "
                              "/shardz; port 0 picks one",
                              &Settings::admin);
  option.set = [set = option.set](Settings& settings, const Values& values) -> Result<void> {
    const auto parsed = parse_admin(values.back());
    if (!parsed) return std::unexpected(parsed.error());
    return set(settings, values);
  };
  return option;
}

namespace {

// PATTERN=COUNT[,BYTES[,AGE]].
Result<core::HistoryRule> parse_history_rule(const std::string& text) {
  const size_t equals = text.rfind('=');
  const Values bounds = split_list(equals == std::string::npos ? "" : text.substr(equals + 1));
  if (equals == 0 || bounds.empty() || bounds.size() > 3) {
    return std::unexpected("'" + text + "' is not PATTERN=COUNT[,BYTES[,AGE]]");
  }
  core::HistoryRule rule;
  rule.pattern = text.substr(0, equals);
  Options no_limits;
  no_limits.destination_bytes_max = no_limits.destination_levels_max = SIZE_MAX;
  const core::DestinationKind kind =
      core::classify_destination(rule.pattern, core::DestinationUse::kSubscribe, no_limits);
  if (kind != core::DestinationKind::kTopic && kind != core::DestinationKind::kPattern) {
    return std::unexpected("'" + rule.pattern + "' is no topic or pattern of topics");
  }
  const Result<uint64_t> messages = parse_count(bounds[0]);
  if (!messages) return std::unexpected(messages.error());
  if (*messages < 1 || *messages > kHistoryMessagesMax) {
    return std::unexpected("'" + bounds[0] + "' is not between 1 and " +
                           std::to_string(kHistoryMessagesMax));
  }
  rule.messages = *messages;
  if (bounds.size() > 1) {
    const Result<uint64_t> bytes = parse_size(bounds[1]);
    if (!bytes) return std::unexpected(bytes.error());
    rule.bytes = *bytes;
  }
  if (bounds.size() > 2) {
    const Result<int64_t> time = parse_duration(bounds[2]);
    if (!time) return std::unexpected(time.error());
    rule.time_ms = *time;
  }
  return rule;
}

std::string format_history_rule(const core::HistoryRule& rule) {
  std::string text = rule.pattern + "=" + std::to_string(rule.messages);
  const bool has_time = rule.time_ms != core::kNever;
  if (rule.bytes != SIZE_MAX) text += "," + format_size(rule.bytes);
  if (has_time) text += "," + format_duration(rule.time_ms);
  return text;
}

}  // namespace

// What a list's commas took apart belongs together: only a rule has an equals sign.
Option history_option(std::string group) {
  auto set = [](Settings& settings, const Values& values) -> Result<void> {
    Values texts;
    for (const std::string& value : values) {
      if (texts.empty() || value.find('=') != std::string::npos) {
        texts.push_back(value);
      } else {
        texts.back() += "," + value;
      }
    }
    if (texts.size() > kHistoryRulesMax) {
      return std::unexpected("more than " + std::to_string(kHistoryRulesMax) + " patterns");
    }
    std::vector<core::HistoryRule> rules;
    for (const std::string& text : texts) {
      Result<core::HistoryRule> rule = parse_history_rule(text);
      if (!rule) return std::unexpected(rule.error());
      rules.push_back(std::move(*rule));
    }
    settings.broker.history = std::move(rules);
    return {};
  };
  auto get = [](const Settings& settings) {
    Values texts;
    for (const core::HistoryRule& rule : settings.broker.history) {
      texts.push_back(format_history_rule(rule));
    }
    return join_list(texts);
  };
  return {
      .name = "history",
      .group = std::move(group),
      .value_name = "RULE",
      .help = "Newest messages kept of topics: PATTERN=COUNT[,BYTES[,AGE]], the first that matches",
      .is_list = true,
      .set = set,
      .get = get,
  };
}

// "auto" is stored as 0.
Option memory_limit_option(std::string group) {
  constexpr uint64_t kMin = uint64_t{32} << 20;
  constexpr uint64_t kMax = uint64_t{1} << 50;
  constexpr auto kField = &net::ServerOptions::memory_limit_bytes;
  Option option = size_option("memory-limit", std::move(group),
                              "Memory of the broker; auto is 80 % of the machine's or the control "
                              "group's",
                              kField, {kMin, kMax});
  option.value_name = "SIZE|auto";
  option.set = [set = option.set](Settings& settings, const Values& values) -> Result<void> {
    if (values.back() != "auto") return set(settings, values);
    settings.server.*kField = 0;
    return {};
  };
  option.get = [get = option.get](const Settings& settings) {
    return settings.server.*kField == 0 ? std::string("auto") : get(settings);
  };
  return option;
}

// Each entry is a rule; the first one that fits counts, so one without a pattern comes last.
Option slow_consumer_option(std::string group) {
  auto set = [](Settings& settings, const Values& values) -> Result<void> {
    std::vector<core::SlowConsumerRule> rules;
    for (const std::string& value : values) {
      Result<core::SlowConsumerRule> rule = core::parse_slow_rule(value);
      if (!rule) return std::unexpected(rule.error());
      if (!rules.empty() && rules.back().pattern.empty()) {
        return std::unexpected("'" + value + "' comes behind a rule for all destinations");
      }
      rules.push_back(std::move(*rule));
    }
    settings.broker.slow_consumer = std::move(rules);
    return {};
  };
  auto get = [](const Settings& settings) {
    std::vector<std::string> rules;
    for (const core::SlowConsumerRule& rule : settings.broker.slow_consumer) {
      rules.push_back(core::format_slow_rule(rule));
    }
    return rules.empty() ? std::string("disconnect") : join_list(rules);
  };
  return {
      .name = "slow-consumer",
      .group = std::move(group),
      .value_name = "RULE",
      .help =
          "disconnect, drop-old, drop-new or conflate, for all or \"conflate /topic/price.* "
          "key=symbol bytes=64K\"; may be repeated",
      .is_list = true,
      .set = set,
      .get = get,
  };
}

Option mailbox_slots_option(std::string group) {
  Option option = count_option("mailbox-slots", std::move(group),
                               "Envelopes between two shards; a power of two",
                               &Options::mailbox_slots, {16, 1'048'576});
  option.set = [set = option.set](Settings& settings, const Values& values) -> Result<void> {
    const Result<void> done = set(settings, values);
    if (done && !std::has_single_bit(settings.broker.mailbox_slots)) {
      return std::unexpected("'" + values.back() + "' is not a power of two");
    }
    return done;
  };
  return option;
}

}  // namespace stampede::tools
