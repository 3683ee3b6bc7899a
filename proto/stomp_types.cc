#include "proto/stomp_types.h"

#include <array>
#include <utility>

namespace stampede::proto {

std::string_view to_string(StompVersion version) {
  switch (version) {
    case StompVersion::k10:
      return "1.0";
    case StompVersion::k11:
      return "1.1";
    case StompVersion::k12:
      return "1.2";
  }
  std::unreachable();
}

StompCommand stomp_command(std::string_view name) {
  struct Entry {
    std::string_view name;
    StompCommand command;
  };
  // The client frames of STOMP 1.2, "Augmented BNF", the frequent ones first: most lookups end at
  // the first comparison, and string_view compares the sizes before any octet.
  static constexpr std::array<Entry, 11> kCommands{{
      {"SEND", StompCommand::kSend},
      {"ACK", StompCommand::kAck},
      {"NACK", StompCommand::kNack},
      {"SUBSCRIBE", StompCommand::kSubscribe},
      {"UNSUBSCRIBE", StompCommand::kUnsubscribe},
      {"BEGIN", StompCommand::kBegin},
      {"COMMIT", StompCommand::kCommit},
      {"ABORT", StompCommand::kAbort},
      {"CONNECT", StompCommand::kConnect},
      {"STOMP", StompCommand::kStomp},
      {"DISCONNECT", StompCommand::kDisconnect},
  }};
  for (const Entry& entry : kCommands) {
    if (entry.name == name) return entry.command;
  }
  return StompCommand::kUnknown;
}

}  // namespace stampede::proto
