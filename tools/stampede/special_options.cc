#include "tools/stampede/special_options.h"

#include <bit>
#include <utility>

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
