#include "core/wire_variant.h"

#include "proto/utf8.h"
#include "proto/ws_encoder.h"

namespace stampede::core {

void append_framed(std::string& out, WireVariant::Framing framing, std::string_view stomp) {
  const bool is_utf8 =
      framing == WireVariant::Framing::kWebSocketText &&
      proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(stomp.data()), stomp.size()});
  append_framed(out, framing, stomp, is_utf8);
}

void append_framed(std::string& out, WireVariant::Framing framing, std::string_view stomp,
                   bool is_utf8) {
  if (framing == WireVariant::Framing::kTcp) {
    out += stomp;
    return;
  }
  const bool is_text = framing == WireVariant::Framing::kWebSocketText && is_utf8;
  proto::append_ws_frame(out, is_text ? proto::WsOpcode::kText : proto::WsOpcode::kBinary, stomp);
}

}  // namespace stampede::core
