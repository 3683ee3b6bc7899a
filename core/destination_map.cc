#include "core/destination_map.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/keyed_hash.h"
#include "proto/base/check.h"

namespace stampede::core {

namespace {

constexpr std::string_view kExchangePrefix = "/exchange/";
constexpr std::string_view kFanoutRoute = "/exchange/amq.fanout";
constexpr std::string_view kAmqQueuePrefix = "/amq/queue/";
constexpr std::string_view kUserPrefix = "/user/";
constexpr std::string_view kTopicPrefix = "/topic/";
constexpr std::string_view kQueuePrefix = "/queue/";
constexpr std::string_view kPartBegin = ",/";

// Prefixes to which brokers that people come from give a meaning of their own. Taking them for
// topics would lose messages in silence.
constexpr std::array<std::string_view, 3> kUnsupportedPrefixes = {"/dsub/", "/remote-temp-queue/",
                                                                  "/remote-temp-topic/"};

// How a connection calls its own, which is how the route begins too, and how others call it.
struct TemporaryKind {
  std::string_view own_prefix;
  std::string_view public_prefix;
  DestinationKind kind;
};
constexpr std::array<TemporaryKind, 2> kTemporaryKinds = {{
    {"/temp-queue/", "/reply-queue/", DestinationKind::kQueue},
    {"/temp-topic/", "/reply-topic/", DestinationKind::kTopic},
}};

const TemporaryKind* find_temporary(std::string_view text,
                                    std::string_view TemporaryKind::*prefix) {
  const auto found = std::ranges::find_if(
      kTemporaryKinds, [&](const auto& kind) { return text.starts_with(kind.*prefix); });
  return found == kTemporaryKinds.end() ? nullptr : &*found;
}

bool is_plain_topic_or_queue(std::string_view text) {
  return text.starts_with(kTopicPrefix) || text.starts_with(kQueuePrefix);
}

// A comma belongs to the name unless a further part begins behind it.
bool is_composite(std::string_view text) {
  return text.starts_with('/') && text.find(kPartBegin) != std::string_view::npos;
}

// A user's name in a route has no separator and no wildcard. Spring's clients write '/' as %2F.
void append_user_name(std::string& route, std::string_view name) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char octet : name) {
    if (std::string_view("./*#>%").find(octet) == std::string_view::npos) {
      route.push_back(octet);
    } else {
      const auto value = static_cast<uint8_t>(octet);
      route.append({'%', kDigits[value >> 4], kDigits[value & 15]});
    }
  }
}

std::string read_user_name(std::string_view written) {
  constexpr std::string_view kSlash = "%2F";
  std::string name(written);
  for (size_t at = name.find(kSlash); at != std::string::npos; at = name.find(kSlash, at + 1)) {
    name.replace(at, kSlash.size(), "/");
  }
  return name;
}

bool is_served(DestinationKind kind) {
  return kind == DestinationKind::kTopic || kind == DestinationKind::kQueue ||
         kind == DestinationKind::kPattern;
}

// Of what goes by its exact name: the limits, and no SUBSCRIBE to a pattern.
DestinationKind check_exact(std::string_view name, DestinationUse use, const Options& options) {
  const DestinationKind kind = check_limits(name, options);
  if (kind != DestinationKind::kTopic || use == DestinationUse::kSend) return kind;
  return has_pattern_level(name) ? DestinationKind::kExactOnly : kind;
}

}  // namespace

std::string DestinationSession::id() const {
  return std::to_string(home).append("-").append(std::to_string(client_id));
}

DestinationMap::DestinationMap(const Options& options)
    : options_(options),
      parts_(std::max<size_t>(options.composite_destinations_max, 1)),
      texts_(parts_.size()) {}

bool DestinationMap::names_temporary(std::string_view text) {
  return find_temporary(text, &TemporaryKind::own_prefix) != nullptr;
}

std::string DestinationMap::token(const DestinationSession& session) const {
  std::string token = session.id();
  std::array<char, 13> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                 keyed_hash(token, options_.secret), 36);
  return token.append("-").append(digits.data(), end.ptr);
}

Result<std::span<const MappedDestination>, DestinationKind> DestinationMap::map(
    std::string_view text, DestinationUse use, const DestinationSession& session) {
  if (is_composite(text)) return map_composite(text, use, session);
  MappedDestination& only = parts_.front();
  // PERF: every SEND passes here, and nearly all are to a topic or queue by its own name.
  only.kind = is_plain_topic_or_queue(text) ? map_itself(text, use, only)
                                            : map_part({text, use, session}, only, texts_.front());
  if (!is_served(only.kind)) return std::unexpected(only.kind);
  return std::span(&only, 1);
}

Result<std::span<const MappedDestination>, DestinationKind> DestinationMap::map_composite(
    std::string_view text, DestinationUse use, const DestinationSession& session) {
  size_t named = 0;
  size_t count = 0;  // of those that are not the same as one before
  for (bool is_last = false; !is_last; ++named) {
    if (named == parts_.size()) return std::unexpected(DestinationKind::kTooManyParts);
    const size_t end = text.find(kPartBegin);
    is_last = end == std::string_view::npos;
    MappedDestination& part = parts_[count];
    part.kind = map_part({text.substr(0, end), use, session}, part, texts_[count]);
    if (!is_served(part.kind)) return std::unexpected(part.kind);
    const auto earlier = std::span(parts_).first(count);
    const bool is_new =
        std::ranges::find(earlier, part.route, &MappedDestination::route) == earlier.end();
    if (is_new) ++count;
    if (!is_last) text.remove_prefix(end + 1);
  }
  return std::span(parts_).first(count);
}

DestinationKind DestinationMap::map_itself(std::string_view text, DestinationUse use,
                                           MappedDestination& part) const {
  // PERF: not `part.text = part.route`, which is loaded whole before its halves are stored.
  part.text = text;
  part.route = text;
  part.is_temporary = false;
  return classify_destination(text, use, options_);
}

DestinationKind DestinationMap::map_part(const Written& written, MappedDestination& part,
                                         Texts& texts) const {
  const std::string_view text = written.text;
  part.text = text;
  part.route = text;
  part.is_temporary = false;
  if (names_temporary(text)) return map_temporary(written, part, texts);
  if (find_temporary(text, &TemporaryKind::public_prefix)) return map_reply(written, part, texts);
  if (text.starts_with(kUserPrefix)) return map_user(written, part, texts);
  if (text.starts_with(kExchangePrefix)) return map_exchange(written, part, texts);
  if (text.starts_with(kAmqQueuePrefix)) {
    return map_alias(written, kQueuePrefix, text.substr(kAmqQueuePrefix.size()), part, texts);
  }
  for (const std::string_view prefix : kUnsupportedPrefixes) {
    if (text.starts_with(prefix)) return DestinationKind::kUnsupported;
  }
  return map_itself(text, written.use, part);
}

// Another name of a topic or queue.
DestinationKind DestinationMap::map_alias(const Written& written, std::string_view prefix,
                                          std::string_view name, MappedDestination& part,
                                          Texts& texts) const {
  if (name.empty()) return DestinationKind::kNameMissing;
  if (written.text.size() > options_.destination_bytes_max) return DestinationKind::kTooLong;
  texts.route.assign(prefix).append(name);
  part.route = texts.route;
  return classify_destination(part.route, written.use, options_);
}

// The exchanges that RabbitMQ declares by itself, but for amq.headers.
DestinationKind DestinationMap::map_exchange(const Written& written, MappedDestination& part,
                                             Texts& texts) const {
  const std::string_view rest = written.text.substr(kExchangePrefix.size());
  const size_t name_end = std::min(rest.find('/'), rest.size());
  const std::string_view name = rest.substr(0, name_end);
  const std::string_view key = rest.substr(std::min(name_end + 1, rest.size()));
  if (name == "amq.topic") return map_alias(written, kTopicPrefix, key, part, texts);
  if (name == "amq.direct") {
    // A routing key is compared as it is: a `*` in it is no pattern there either.
    return key.empty() ? DestinationKind::kNameMissing : check_limits(written.text, options_);
  }
  if (name != "amq.fanout") return DestinationKind::kUnknownExchange;
  part.route = kFanoutRoute;
  return check_limits(written.text, options_);
}

// As Spring has it: /user/x is x of one's own, and for who sends /user/{name}/x is that of the
// named.
DestinationKind DestinationMap::map_user(const Written& written, MappedDestination& part,
                                         Texts& texts) const {
  std::string_view rest = written.text.substr(kUserPrefix.size());
  if (written.text.size() > options_.destination_bytes_max) return DestinationKind::kTooLong;
  std::string name(written.session.user_name);
  if (written.use == DestinationUse::kSend) {
    const size_t name_end = std::min(rest.find('/'), rest.size());
    name = read_user_name(rest.substr(0, name_end));
    rest.remove_prefix(std::min(name_end + 1, rest.size()));
    if (name.empty()) return DestinationKind::kNameMissing;
  } else if (name.empty()) {
    name = written.session.id();
  }
  if (rest.empty()) return DestinationKind::kNameMissing;
  texts.text.assign(kUserPrefix).append(rest);
  texts.route.assign(kUserPrefix);
  append_user_name(texts.route, name);
  texts.route.append("/").append(rest);
  part.text = texts.text;
  part.route = texts.route;
  return check_exact(part.text, written.use, options_);
}

DestinationKind DestinationMap::map_temporary(const Written& written, MappedDestination& part,
                                              Texts& texts) const {
  const TemporaryKind& kind = *find_temporary(written.text, &TemporaryKind::own_prefix);
  const std::string_view name = written.text.substr(kind.own_prefix.size());
  if (name.empty()) return DestinationKind::kNameMissing;
  texts.route.assign(kind.own_prefix).append(token(written.session)).append("/").append(name);
  part.route = texts.route;
  part.is_temporary = true;
  const DestinationKind checked = check_exact(written.text, written.use, options_);
  return checked == DestinationKind::kTopic ? kind.kind : checked;
}

// What has no token that was ever given has a route that leads nowhere, as that of a connection
// which is gone: who answers late has made no mistake.
DestinationKind DestinationMap::map_reply(const Written& written, MappedDestination& part,
                                          Texts& texts) const {
  const TemporaryKind& kind = *find_temporary(written.text, &TemporaryKind::public_prefix);
  const std::string_view rest = written.text.substr(kind.public_prefix.size());
  const size_t token_end = std::min(rest.find('/'), rest.size());
  if (written.use == DestinationUse::kSubscribe &&
      rest.substr(0, token_end) != token(written.session)) {
    return DestinationKind::kForeign;
  }
  const std::string_view name = rest.substr(std::min(token_end + 1, rest.size()));
  texts.text.assign(kind.own_prefix).append(name);
  texts.route.assign(kind.own_prefix).append(rest);
  part.text = texts.text;
  part.route = texts.route;
  part.is_temporary = true;
  // The name that its owner gave it has passed the limits; what was put before it does not count.
  const DestinationKind checked = check_exact(part.text, written.use, options_);
  return checked == DestinationKind::kTopic ? kind.kind : checked;
}

Result<MappedReply, DestinationKind> DestinationMap::map_reply_to(
    std::string_view text, const DestinationSession& session) {
  // Its public name would be a list too, and of other destinations.
  if (is_composite(text)) return std::unexpected(DestinationKind::kListAsReply);
  MappedReply reply;
  reply.destination.text = text;
  const DestinationKind kind =
      map_temporary({text, DestinationUse::kSubscribe, session}, reply.destination, reply_texts_);
  if (!is_served(kind)) return std::unexpected(kind);
  reply.destination.kind = kind;
  const TemporaryKind& temporary = *find_temporary(text, &TemporaryKind::own_prefix);
  reply_name_.assign(temporary.public_prefix)
      .append(reply.destination.route.substr(temporary.own_prefix.size()));
  reply.public_name = reply_name_;
  return reply;
}

bool is_temporary_route(std::string_view route) {
  return find_temporary(route, &TemporaryKind::own_prefix) != nullptr;
}

ShardId home_of_temporary(std::string_view route, ShardId shards, ShardId otherwise) {
  const TemporaryKind* const kind = find_temporary(route, &TemporaryKind::own_prefix);
  if (kind == nullptr) return otherwise;
  route.remove_prefix(kind->own_prefix.size());
  ShardId home = 0;
  const char* const end = route.data() + route.size();
  const auto parsed = std::from_chars(route.data(), end, home);
  const bool is_token = parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-';
  return is_token && home < shards ? home : otherwise;
}

}  // namespace stampede::core
