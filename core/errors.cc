#include "core/errors.h"

namespace stampede::core::errors {

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
