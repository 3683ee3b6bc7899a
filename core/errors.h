#pragma once

#include <string>
#include <string_view>

#include "core/shard_types.h"
#include "proto/stomp_parser.h"
#include "proto/stomp_types.h"
#include "proto/ws_types.h"

namespace stampede::core {

// What a STOMP ERROR means to the client (token), to the operator (reason) and to its WebSocket
// (code).
struct ErrorKind {
  std::string_view token;
  CloseReason reason;
  proto::WsStatusCode code;
};

namespace errors {

inline constexpr ErrorKind kVersionNotSupported{
    "version-not-supported", CloseReason::kProtocolError, proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kMissingDestination{"missing-destination", CloseReason::kProtocolError,
                                               proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kMissingId{"missing-id", CloseReason::kProtocolError,
                                      proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kNotConnected{"not-connected", CloseReason::kProtocolError,
                                         proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kAlreadyConnected{"already-connected", CloseReason::kProtocolError,
                                             proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kUnknownCommand{"unknown-command", CloseReason::kProtocolError,
                                           proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kBadHeartBeat{"bad-heart-beat", CloseReason::kProtocolError,
                                         proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kBadAckMode{"bad-ack-mode", CloseReason::kProtocolError,
                                       proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kMalformedHeader{"malformed-header", CloseReason::kProtocolError,
                                            proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kBadSelector{"bad-selector", CloseReason::kProtocolError,
                                        proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kUnknownAck{"unknown-ack", CloseReason::kProtocolError,
                                       proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kBadDestination{"bad-destination", CloseReason::kProtocolError,
                                           proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kUnsupportedDestination{
    "unsupported-destination", CloseReason::kProtocolError, proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kAccessDenied{"access-denied", CloseReason::kProtocolError,
                                         proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kUnsupportedHeader{"unsupported-header", CloseReason::kProtocolError,
                                              proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kMissingReceipt{"missing-receipt", CloseReason::kProtocolError,
                                           proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kMissingTransaction{"missing-transaction", CloseReason::kProtocolError,
                                               proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kDuplicateTransaction{
    "duplicate-transaction", CloseReason::kProtocolError, proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kTooManyTransactions{
    "too-many-transactions", CloseReason::kProtocolError, proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kQueueFull{"queue-full", CloseReason::kQueueFull,
                                      proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kUnknownTransaction{"unknown-transaction", CloseReason::kProtocolError,
                                               proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kDuplicateSubscription{
    "duplicate-subscription", CloseReason::kProtocolError, proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kUnknownSubscription{"unknown-subscription", CloseReason::kProtocolError,
                                                proto::WsStatusCode::kProtocolError};
inline constexpr ErrorKind kHeaderTooLong{"header-too-long", CloseReason::kHeaderLimit,
                                          proto::WsStatusCode::kMessageTooBig};
inline constexpr ErrorKind kTooManySubscriptions{
    "too-many-subscriptions", CloseReason::kProtocolError, proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kTooManyReceipts{"too-many-receipts", CloseReason::kProtocolError,
                                            proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kFrameTooLarge{"frame-too-large", CloseReason::kFrameTooBig,
                                          proto::WsStatusCode::kMessageTooBig};
inline constexpr ErrorKind kConnectTimeout{"connect-timeout", CloseReason::kConnectTimeout,
                                           proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kSlowConsumerBytes{"slow-consumer", CloseReason::kSlowConsumerBytes,
                                              proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kSlowConsumerTime{"slow-consumer", CloseReason::kSlowConsumerTime,
                                             proto::WsStatusCode::kPolicyViolation};
inline constexpr ErrorKind kOutOfMemory{"out-of-memory", CloseReason::kMemory,
                                        proto::WsStatusCode::kTryAgainLater};
inline constexpr ErrorKind kServerDraining{"server-draining", CloseReason::kDrain,
                                           proto::WsStatusCode::kServiceRestart};

// The ERROR frame of the kind. `receipt_id` may be empty and still be there.
[[nodiscard]] std::string frame_of(const ErrorKind& kind, std::string_view sentence,
                                   std::string_view receipt_id, bool has_receipt,
                                   proto::StompVersion version);
// What the parser found, under the parser's own token.
[[nodiscard]] ErrorKind of_parser(proto::StompError error);
// The flags that set the limit which the parser found passed; empty if it is none.
[[nodiscard]] std::string_view flags_of_limit(proto::StompError error, bool is_connected);

}  // namespace errors

}  // namespace stampede::core
