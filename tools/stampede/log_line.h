#pragma once

#include <string>
#include <string_view>

namespace stampede::tools {

// Lines of the log are words, then key=value pairs, where a value with blanks or quotes stands in
// quotes:
//     close shard=0 client=12 peer=127.0.0.1:4000 detail="end of stream"
// This gives the members of a JSON object that says the same:
// "msg":"close","shard":0,"client":12,... A line of another form is all msg. Whatever octets are in
// it, the result is valid JSON in ASCII.
[[nodiscard]] std::string json_members(std::string_view line);

// `text` in quotes.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace stampede::tools
