#include "core/commands/send_headers.h"

namespace stampede::core {

namespace {

constexpr std::string_view kDelayPrefix = "AMQ_SCHEDULED_";

void take_first(const std::string_view*& found, const std::string_view& value) {
  if (found == nullptr) found = &value;
}

}  // namespace

// PERF: names are told apart by their sizes first, and pointers are kept: a lookup for each would
// compare every name, and an optional that was just stored by parts is slow to copy whole.
SendHeaders find_send_headers(const proto::StompFrame& frame) {
  SendHeaders found;
  for (const auto& [name, value] : frame.headers) {
    switch (name.size()) {
      case 6:
        if (name == "retain") take_first(found.retain, value);
        break;
      case 7:
        if (name == "receipt") take_first(found.receipt, value);
        break;
      case 8:
        if (name == "reply-to") take_first(found.reply_to, value);
        break;
      case 10:
        if (name == "message-id") take_first(found.message_id, value);
        break;
      case 11:
        if (name == "destination") take_first(found.destination, value);
        if (name == "transaction") take_first(found.transaction, value);
        break;
      default:
        found.asks_for_delay |= name.starts_with(kDelayPrefix);
        if (name == "count-subscriptions") take_first(found.count_subscriptions, value);
    }
  }
  return found;
}

}  // namespace stampede::core
