#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stampede::bench {

// ASCII text that looks like what applications send: no octet of it is a NUL.
inline std::string sample_body(size_t bytes) {
  constexpr std::string_view kPiece = R"({"symbol":"ACME","price":101.25,"at":"09:30:00"},)";
  std::string body;
  while (body.size() < bytes) body += kPiece;
  body.resize(bytes);
  return body;
}

enum class BodyLength : bool { kLeftOut, kDeclared };

// A SEND as @stomp/stompjs writes it, without its NUL.
inline std::string sample_send(std::string_view destination, size_t body_bytes,
                               BodyLength length = BodyLength::kDeclared) {
  std::string frame("SEND\ndestination:");
  frame.append(destination).append("\ncontent-type:application/json\n");
  if (length == BodyLength::kDeclared) {
    frame.append("content-length:").append(std::to_string(body_bytes)).append("\n");
  }
  frame.append("\n").append(sample_body(body_bytes));
  return frame;
}

}  // namespace stampede::bench
