#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/destination_name.h"
#include "core/options.h"
#include "core/shard_types.h"
#include "proto/base/result.h"

namespace stampede::core {

// The session that a destination is written in, as far as some destinations are its own.
struct DestinationSession {
  ShardId home = 0;
  uint64_t client_id = 0;           // Client::id()
  std::string_view user_name = {};  // `login` of CONNECT; empty: it gave none

  // The `session` header of CONNECTED; the user name of who gave none.
  [[nodiscard]] std::string id() const;
};

// What a destination means.
struct MappedDestination {
  DestinationKind kind = DestinationKind::kTopic;  // or kQueue, or kPattern
  bool is_temporary = false;                       // of one connection, whose home shard owns it
  std::string_view text;                           // what its subscribers read
  std::string_view route;                          // the name by which all else knows it

  // As Message::Content has it.
  [[nodiscard]] std::string_view route_if_other() const {
    return route.data() == text.data() ? std::string_view() : route;
  }
};

// A `reply-to` that names a temporary destination.
struct MappedReply {
  MappedDestination destination;  // for the session to subscribe
  std::string_view public_name;   // by which any connection may send to it
};

// DestinationMap turns a destination as a client wrote it into what it means (core/README.md,
// "Destinations", has the rules): the other names that topics and queues have, and what is private
// to a user or a connection. A private route begins with a prefix that no text is its own route
// with, and then has the user's name, escaped, or a token that nobody can guess.
//
// Owns:      the texts that it makes. Thread: home shard.
// Lifetime:  what a function gives holds until the same one is called again, and no longer than the
//            text that it was given.
// Invariant: who is not the user or connection gets no private route but to send to.
class DestinationMap {
 public:
  explicit DestinationMap(const Options& options);

  // The parts of a composite in order, none twice; of all else one. The error says what is wrong
  // with the first part that is not served.
  [[nodiscard]] Result<std::span<const MappedDestination>, DestinationKind> map(
      std::string_view text, DestinationUse use, const DestinationSession& session);

  // Requires: names_temporary(text).
  [[nodiscard]] Result<MappedReply, DestinationKind> map_reply_to(
      std::string_view text, const DestinationSession& session);
  [[nodiscard]] static bool names_temporary(std::string_view text);

 private:
  // One part, as it was written.
  struct Written {
    std::string_view text;
    DestinationUse use;
    const DestinationSession& session;
  };
  struct Texts {
    std::string text;
    std::string route;
  };
  [[nodiscard]] Result<std::span<const MappedDestination>, DestinationKind> map_composite(
      std::string_view text, DestinationUse use, const DestinationSession& session);
  // Each fills `part`, with views of the written text or of `texts`, or says what is wrong.
  [[nodiscard]] DestinationKind map_part(const Written& written, MappedDestination& part,
                                         Texts& texts) const;
  [[nodiscard]] DestinationKind map_itself(std::string_view text, DestinationUse use,
                                           MappedDestination& part) const;
  [[nodiscard]] DestinationKind map_exchange(const Written& written, MappedDestination& part,
                                             Texts& texts) const;
  [[nodiscard]] DestinationKind map_alias(const Written& written, std::string_view prefix,
                                          std::string_view name, MappedDestination& part,
                                          Texts& texts) const;
  [[nodiscard]] DestinationKind map_user(const Written& written, MappedDestination& part,
                                         Texts& texts) const;
  [[nodiscard]] DestinationKind map_temporary(const Written& written, MappedDestination& part,
                                              Texts& texts) const;
  [[nodiscard]] DestinationKind map_reply(const Written& written, MappedDestination& part,
                                          Texts& texts) const;
  [[nodiscard]] std::string token(const DestinationSession& session) const;

  const Options& options_;
  // As many as there may be parts; kept for the capacity of the texts.
  std::vector<MappedDestination> parts_;
  std::vector<Texts> texts_;
  Texts reply_texts_;
  std::string reply_name_;
};

// True if the route is of a temporary destination.
[[nodiscard]] bool is_temporary_route(std::string_view route);
// The home shard of the connection whose temporary destination has this route; `otherwise` if it
// names none of so many shards.
[[nodiscard]] ShardId home_of_temporary(std::string_view route, ShardId shards, ShardId otherwise);

}  // namespace stampede::core
