#include "core/errors.h"

namespace stampede::core::errors {

ErrorKind of_parser(proto::StompError error) {
  switch (error) {
    case proto::StompError::kFrameTooLarge:
      return kFrameTooLarge;
    case proto::StompError::kTooManyHeaders:
    case proto::StompError::kHeaderTooLong:
      return {proto::to_token(error), CloseReason::kHeaderLimit, proto::WsStatusCode::kMessageTooBig};
    default:
      return {proto::to_token(error), CloseReason::kProtocolError, proto::WsStatusCode::kProtocolError};
  }
}

}  // namespace stampede::core::errors
