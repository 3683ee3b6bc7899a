#include "core/errors.h"

#include "proto/stomp_encoder.h"

namespace stampede::core::errors {

std::string frame_of(const ErrorKind& kind, std::string_view sentence, std::string_view receipt_id,
                     bool has_receipt, proto::StompVersion version) {
  const bool is_of_version = kind.token == kVersionNotSupported.token;
  std::string frame;
  proto::append_error(
      frame,
      {.token = kind.token,
       .sentence = sentence,
       .receipt_id = receipt_id,
       .has_receipt = has_receipt,
       .supported_versions = is_of_version ? std::string_view("1.0,1.1,1.2") : std::string_view()},
      version);
  return frame;
}

ErrorKind of_parser(proto::StompError error) {
  switch (error) {
    case proto::StompError::kFrameTooLarge:
      return kFrameTooLarge;
    case proto::StompError::kTooManyHeaders:
    case proto::StompError::kHeaderTooLong:
      return {proto::to_token(error), CloseReason::kHeaderLimit,
              proto::WsStatusCode::kMessageTooBig};
    default:
      return {proto::to_token(error), CloseReason::kProtocolError,
              proto::WsStatusCode::kProtocolError};
  }
}

std::string_view flags_of_limit(proto::StompError error, bool is_connected) {
  switch (error) {
    case proto::StompError::kFrameTooLarge:
      return is_connected ? "--max-frame-size" : "--max-frame-size-before-connect";
    case proto::StompError::kTooManyHeaders:
      return "--max-headers";
    case proto::StompError::kHeaderTooLong:
      return "--max-header-size, --max-header-total";
    default:
      return {};
  }
}

}  // namespace stampede::core::errors
