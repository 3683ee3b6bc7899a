#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/stomp_types.h"

namespace stampede::proto {

// Each function appends one whole frame, its NUL included and no end of line behind it (clients
// exist that want the next command right behind the NUL). Thread: any (no state).

struct ConnectedFrame {
  StompVersion version;
  std::string_view session;
  std::string_view server;
  std::string_view user_name = {};  // empty: no header; left out if it would forge a line
  int64_t heart_beat_send_ms;
  int64_t heart_beat_receive_ms;
};

// CONNECTED is never escaped. 1.0 sessions get `version:1.0` too, which is harmless.
void append_connected(std::string& out, const ConnectedFrame& frame);
// With `subscriptions` it says for how many a SEND was. `lines`: further header lines, each with
// its end, that need no escape in any version.
void append_receipt(std::string& out, std::string_view receipt_id, StompVersion version,
                    std::optional<uint64_t> subscriptions = std::nullopt,
                    std::string_view lines = {});

struct ErrorFrame {
  std::string_view token;                    // the `message` header
  std::string_view sentence;                 // the body, one readable sentence
  std::string_view receipt_id = {};          // may be empty and still be there
  bool has_receipt = false;                  // false: no `receipt-id` header
  std::string_view supported_versions = {};  // not empty: a `version` header
};

void append_error(std::string& out, const ErrorFrame& frame, StompVersion version);

// Appends `name:value\n`, escaped for the version, or nothing if it cannot be expressed (see
// append_escaped).
void append_header(std::string& out, std::string_view name, std::string_view value,
                   StompVersion version);

// The same for a header that its frame cannot do without: what of the value cannot be expressed is
// written as kInexpressible.
inline constexpr char kInexpressible = '?';
void append_required_header(std::string& out, std::string_view name, std::string_view value,
                            StompVersion version);

// The same for a value that the receiver itself wrote, in this version: it goes back as it came,
// with carriage returns that 1.0 and 1.1 have no escape for.
void append_echoed_header(std::string& out, std::string_view name, std::string_view value,
                          StompVersion version);

}  // namespace stampede::proto
