#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "core/commands/commands.h"
#include "core/commands/read_destination.h"
#include "core/shard_state.h"
#include "proto/stomp_encoder.h"

namespace stampede::core {

namespace {

// 24 days: no timer needs more, and no sum of two overflows.
constexpr int64_t kHeartBeatMsMax = INT32_MAX;

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// A non-negative decimal number; one too large for a timer becomes the largest (conformance A5.8).
std::optional<int64_t> parse_ms(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) return kHeartBeatMsMax;
  return std::min(value, kHeartBeatMsMax);
}

std::optional<HeartBeatWish> parse_heart_beat(std::string_view text) {
  const size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto can = parse_ms(text.substr(0, comma));
  const auto wants = parse_ms(text.substr(comma + 1));
  if (!can || !wants) return std::nullopt;
  return HeartBeatWish{*can, *wants};
}

// The highest version that both speak; no `accept-version` means 1.0 (STOMP 1.2, "Protocol
// Negotiation").
std::optional<proto::StompVersion> choose_version(const proto::StompFrame& frame) {
  const auto offer = frame.header("accept-version");
  if (!offer) return proto::StompVersion::k10;
  std::optional<proto::StompVersion> best;
  std::string_view left = *offer;
  while (true) {
    const size_t comma = left.find(',');
    const std::string_view item = trim(left.substr(0, comma));
    for (const auto version :
         {proto::StompVersion::k10, proto::StompVersion::k11, proto::StompVersion::k12}) {
      if (item == proto::to_string(version) && (!best || *best < version)) best = version;
    }
    if (comma == std::string_view::npos) return best;
    left.remove_prefix(comma + 1);
  }
}

}  // namespace

void handle_connect(Client& client, const proto::StompFrame& frame, Millis now) {
  if (client.phase() != ClientPhase::kConnecting) {
    client.fail(errors::kAlreadyConnected, "the session is open already", &frame);
    return;
  }
  const auto version = choose_version(frame);
  if (!version) {
    client.fail(errors::kVersionNotSupported,
                "none of the versions in accept-version is spoken here; 1.0, 1.1 and 1.2 are",
                &frame);
    return;
  }
  // 1.0 has no heart-beats; what a client says about them there means nothing.
  const bool has_beats = *version != proto::StompVersion::k10;
  const auto text = has_beats ? frame.header("heart-beat") : std::nullopt;
  const auto heart_beat = text ? parse_heart_beat(*text) : HeartBeatWish{};
  if (!heart_beat) {
    client.fail(errors::kBadHeartBeat,
                "the header heart-beat must be two non-negative numbers of milliseconds, "
                "separated by a comma",
                &frame);
    return;
  }

  const Options& options = client.shard().options();
  Session& session = client.session();
  session.set_user_name(frame.header("login").value_or(""));
  client.on_connected(*version, *heart_beat, now);

  const std::string session_id = destination_session(client).id();
  std::string connected;
  proto::append_connected(connected,
                          {.version = *version,
                           .session = session_id,
                           .server = "stampede/" STAMPEDE_VERSION,
                           .user_name = session.user_name(),
                           .heart_beat_send_ms = has_beats ? options.heart_beat_send_ms : 0,
                           .heart_beat_receive_ms = has_beats ? options.heart_beat_receive_ms : 0});
  client.send_stomp(connected);
}

}  // namespace stampede::core
