#include "core/selector/selector_names.h"

#include <algorithm>
#include <array>
#include <string>

namespace stampede::core {

namespace {

struct JmsName {
  std::string_view jms;
  std::string_view header;
};

// JMS 2.0 section 3.8.1.1, and the other fields of JMS that STOMP has a header for.
constexpr std::array<JmsName, 7> kJmsNames = {{{"JMSCorrelationID", "correlation-id"},
                                               {"JMSDestination", "destination"},
                                               {"JMSExpiration", "expires"},
                                               {"JMSMessageID", "message-id"},
                                               {"JMSReplyTo", "reply-to"},
                                               {"JMSTimestamp", "timestamp"},
                                               {"JMSType", "type"}}};

// A message is made without these headers of its SEND: to ask for one would match nothing for ever.
constexpr std::array<std::string_view, 5> kHeadersNotKept = {"ack", "receipt", "redelivered",
                                                             "subscription", "transaction"};

}  // namespace

Result<SelectorName> find_header(std::string_view name) {
  if (name == "destination") return SelectorName{SelectorOp::kDestination, {}};
  if (name == "message-id") return SelectorName{SelectorOp::kMessageId, {}};
  if (name == "content-length") return SelectorName{SelectorOp::kBodyBytes, {}};
  if (name.empty()) return std::unexpected("the name of a header is empty");
  if (std::find(kHeadersNotKept.begin(), kHeadersNotKept.end(), name) != kHeadersNotKept.end()) {
    return std::unexpected("no message keeps the header '" + std::string(name) + "'");
  }
  return SelectorName{SelectorOp::kHeader, name};
}

Result<SelectorName> find_unquoted_name(std::string_view name) {
  // JMSX... and JMS_... are properties, which are headers.
  if (!name.starts_with("JMS") || name.starts_with("JMSX") || name.starts_with("JMS_")) {
    return find_header(name);
  }
  if (name == "JMSPriority") return SelectorName{SelectorOp::kPriority, {}};
  const auto* const found = std::find_if(kJmsNames.begin(), kJmsNames.end(),
                                         [&](const JmsName& known) { return known.jms == name; });
  if (found == kJmsNames.end()) {
    return std::unexpected("no message has '" + std::string(name) +
                           "'; a header of that name goes in double quotes");
  }
  return find_header(found->header);
}

}  // namespace stampede::core
