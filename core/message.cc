#include "core/message.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "core/memory_tally.h"
#include "proto/base/check.h"
#include "proto/stomp_encoder.h"
#include "proto/stomp_escape.h"
#include "proto/utf8.h"

namespace stampede::core {

namespace {

// STOMP 1.2, "SEND": everything else is passed through. These the broker answers itself, or makes
// itself, and a client must not be able to forge them.
bool is_passed_on(std::string_view name) {
  switch (name.size()) {
    case 3:
      return name != "ack";
    case 7:
      return name != "receipt" && name != "dropped";
    case 10:
      return name != "message-id";
    case 11:
      return name != "destination" && name != "transaction" && name != "redelivered";
    case 12:
      return name != "subscription";
    case 14:
      return name != "content-length" && name != "delivery-count";
    case 19:
      return name != "count-subscriptions";
    default:
      return true;
  }
}

bool is_utf8_text(std::string_view text) {
  return proto::is_valid_utf8({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

bool is_plain_content(const Message::Content& content) {
  if (!proto::is_plain_header_text(content.destination)) return false;
  if (!proto::is_plain_header_text(content.message_id)) return false;
  for (const proto::StompHeader& header : content.headers) {
    if (!proto::is_plain_header_text(header.name) || !proto::is_plain_header_text(header.value)) {
      return false;
    }
  }
  return true;
}

// name:value\n, or two counts and the two strings.
constexpr size_t kPlainOverhead = 2;
constexpr size_t kCountedOverhead = 2 * sizeof(uint32_t);

std::atomic<int64_t> live = 0;

// relaxed: a number to look at when nothing happens.
void count_live(int64_t change) {
  if constexpr (Message::is_counted) live.fetch_add(change, std::memory_order_relaxed);
}

char* put(char* at, std::string_view text) {
  if (text.empty()) return at;
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

char* put_count(char* at, size_t count) {
  const auto value = static_cast<uint32_t>(count);
  std::memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

}  // namespace

Message* Message::create(const Content& content, uint64_t route_hash) {
  const bool plain = content.is_known_plain || is_plain_content(content);
  size_t headers_size = 0;
  for (const proto::StompHeader& header : content.headers) {
    if (!is_passed_on(header.name)) continue;
    headers_size +=
        header.name.size() + header.value.size() + (plain ? kPlainOverhead : kCountedOverhead);
  }
  const size_t text_size = content.destination.size() + content.message_id.size() + headers_size +
                           content.body.size() + 1 + content.route.size();

  auto* message = new (::operator new(sizeof(Message) + text_size)) Message;
  count_live(1);
  message->origin_ = content.origin;
  message->properties_ = content.properties;
  message->count_ticket_ = content.count_ticket;
  message->route_hash_ = route_hash;
  message->destination_size_ = static_cast<uint32_t>(content.destination.size());
  message->route_size_ = static_cast<uint32_t>(content.route.size());
  message->client_id_size_ = static_cast<uint32_t>(content.message_id.size());
  message->headers_size_ = static_cast<uint32_t>(headers_size);
  message->body_size_ = static_cast<uint32_t>(content.body.size());
  message->is_plain_ = plain;

  char* at = reinterpret_cast<char*>(message + 1);
  at = put(at, content.destination);
  at = put(at, content.message_id);
  for (const proto::StompHeader& header : content.headers) {
    if (!is_passed_on(header.name)) continue;
    if (plain) {
      at = put(at, header.name);
      *at++ = ':';
      at = put(at, header.value);
      *at++ = '\n';
    } else {
      at = put(put_count(at, header.name.size()), header.name);
      at = put(put_count(at, header.value.size()), header.value);
    }
  }
  at = put(at, {reinterpret_cast<const char*>(content.body.data()), content.body.size()});
  *at++ = '\0';
  put(at, content.route);
  message->is_utf8_ = content.is_known_utf8 || message->has_utf8_text();
  MemoryTally::add_block(MemoryKind::kMessages, message);
  return message;
}

bool Message::has_utf8_text() const {
  if (!is_utf8_text(destination()) || !is_utf8_text(client_message_id())) return false;
  const char* headers = this->headers();
  // A line ends in ASCII, so what is UTF-8 at one look is UTF-8 line by line.
  if (is_plain_) return is_utf8_text({headers, size_t{headers_size_} + body_size_});
  for (const char* const end = headers + headers_size_; headers != end;) {
    if (!is_utf8_text(take_counted(headers))) return false;
  }
  return proto::is_valid_utf8(body());
}

void Message::drop_reference() {
  // acq_rel: the last one must see every other shard's reads as done before it frees.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  count_live(-1);
  MemoryTally::drop_block(MemoryKind::kMessages, this);
  this->~Message();
  ::operator delete(this);
}

int64_t Message::live_count() { return live.load(std::memory_order_relaxed); }

void Message::set_number(uint64_t sequence, std::string_view made_id) {
  DCHECK(references_.load(std::memory_order_relaxed) == 1);
  CHECK(made_id.size() <= kMadeIdBytesMax);
  sequence_ = sequence;
  made_id_size_ = static_cast<uint8_t>(made_id.size());
  std::memcpy(made_id_, made_id.data(), made_id.size());
}

std::string_view Message::message_id() const {
  return client_id_size_ > 0 ? client_message_id() : std::string_view(made_id_, made_id_size_);
}

// The id that the owner made is the epoch, a hyphen and the sequence.
std::string_view Message::epoch() const {
  const std::string_view id(made_id_, made_id_size_);
  return id.substr(0, std::min(id.rfind('-'), id.size()));
}

bool is_header_of_broker(std::string_view name) { return !is_passed_on(name); }

std::span<const uint8_t> Message::body() const {
  const char* at = headers() + headers_size_;
  return {reinterpret_cast<const uint8_t*>(at), body_size_};
}

std::span<const uint8_t> Message::body_and_nul() const {
  return {body().data(), size_t{body_size_} + 1};
}

std::optional<std::string_view> Message::header(std::string_view name) const {
  std::optional<std::string_view> found;
  for_each_header([&](std::string_view header_name, std::string_view value) {
    if (!found && header_name == name) found = value;
  });
  return found;
}

std::string_view Message::group() const {
  if (!properties_.has_group) return {};
  const auto group = header("JMSXGroupID");
  return group ? *group : header("message_group").value_or("");
}

size_t Message::append_headers(std::string& out, proto::StompVersion version) const {
  const size_t at_start = out.size();
  size_t left_out = 0;
  if (is_plain_) {
    out.append("message-id:").append(message_id());
    out.append("\ndestination:").append(destination());
    out.push_back('\n');
    out.append(headers(), headers_size_);
  } else {
    const auto add = [&](std::string_view name, std::string_view value) {
      const size_t before = out.size();
      proto::append_header(out, name, value, version);
      if (out.size() == before) ++left_out;
    };
    proto::append_required_header(out, "message-id", message_id(), version);
    proto::append_required_header(out, "destination", destination(), version);
    for_each_header(add);
  }
  out.append("content-length:").append(std::to_string(body_size_)).append("\n\n");
  DCHECK(out.size() > at_start);
  return left_out;
}

}  // namespace stampede::core
