#include "core/session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/client.h"
#include "core/commands/commands.h"
#include "core/shard_state.h"
#include "proto/base/check.h"
#include "proto/stomp_encoder.h"

namespace stampede::core {

namespace {

// A client that acknowledges what it got before it unsubscribed does so soon.
constexpr size_t kEndedTokensMax = 64;

}  // namespace

void Session::handle(Client& client, const proto::StompFrame& frame, Millis now) {
  using enum proto::StompCommand;
  const bool is_connect = frame.command == kConnect || frame.command == kStomp;
  if (frame.command == kUnknown) {
    client.fail(errors::kUnknownCommand, "this is not a command of a STOMP client", &frame);
    return;
  }
  if (client.phase() == ClientPhase::kConnecting && !is_connect) {
    client.fail(errors::kNotConnected, "the first frame must be CONNECT or STOMP", &frame);
    return;
  }
  switch (frame.command) {
    case kConnect:
    case kStomp:
      handle_connect(client, frame, now);
      break;
    case kSend:
      handle_send(client, frame, now);
      break;
    case kSubscribe:
      handle_subscribe(client, frame, now);
      break;
    case kUnsubscribe:
      handle_unsubscribe(client, frame, now);
      break;
    case kDisconnect:
      handle_disconnect(client, frame, now);
      break;
    case kAck:
    case kNack:
      handle_ack(client, frame, now);
      break;
    case kBegin:
    case kCommit:
    case kAbort:
    case kUnknown:
      client.fail(errors::kUnknownCommand, "this server has no transactions", &frame);
      break;
  }
}

// -- Receipts.

void Session::reply(Client& client, const proto::StompFrame& frame) {
  const uint32_t ticket = begin_reply(frame);
  if (ticket != 0) complete_reply(client, ticket);
}

uint32_t Session::begin_reply(const proto::StompFrame& frame) {
  const auto receipt = frame.header("receipt");
  return receipt.has_value() ? replies_.add(*receipt) : 0;
}

void Session::complete_reply(Client& client, uint32_t ticket) {
  replies_.complete(ticket);
  std::string& receipt = client.shard().frame_scratch;
  replies_.release([&](std::string_view receipt_id) {
    receipt.clear();
    proto::append_receipt(receipt, receipt_id, version_);
    client.send_stomp(receipt);
  });
  client.settle_farewell();
}

// -- Deliveries.

Session::FoundDelivery Session::find_delivery(const AckId& id) const {
  for (Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks != nullptr && one->group->ack_token == id.token && one->acks->has(id.tag)) {
      return {.subscription = one, .tag = id.tag};
    }
  }
  return {.is_of_ended = std::ranges::find(ended_tokens_, id.token) != ended_tokens_.end()};
}

Session::FoundDelivery Session::find_delivery_by_message_id(
    uint64_t id_hash, std::optional<std::string_view> subscription_id) const {
  for (Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks == nullptr) continue;
    if (subscription_id && one->group->id != *subscription_id) continue;
    if (const auto tag = one->acks->find_id(id_hash)) return {.subscription = one, .tag = *tag};
  }
  // Which message it meant is not known any more.
  return {.is_of_ended = !ended_tokens_.empty()};
}

void Session::remember_ended(const Subscription& subscription) {
  if (subscription.acks == nullptr || subscription.acks->size() == 0) return;
  if (ended_tokens_.size() == kEndedTokensMax) ended_tokens_.erase(ended_tokens_.begin());
  ended_tokens_.push_back(subscription.group->ack_token);
}

// -- Subscriptions.

void Session::add(std::unique_ptr<Subscription> subscription) {
  subscription->next = std::move(subscriptions_);
  subscriptions_ = std::move(subscription);
  ++subscription_count_;
}

Subscription* Session::find_by_id(std::string_view id) const {
  Subscription* found = subscriptions_.get();
  while (found != nullptr && !(found->group->has_id && found->group->id == id)) {
    found = found->next.get();
  }
  return found;
}

Subscription* Session::find_by_destination(std::string_view destination) const {
  Subscription* found = subscriptions_.get();
  while (found != nullptr && (found->group->has_id || found->group->id != destination)) {
    found = found->next.get();
  }
  return found;
}

std::unique_ptr<Subscription> Session::take(Subscription& subscription) {
  std::unique_ptr<Subscription>* link = &subscriptions_;
  while (link->get() != &subscription) {
    DCHECK(*link != nullptr);
    link = &(*link)->next;
  }
  std::unique_ptr<Subscription> taken = std::move(*link);
  *link = std::move(taken->next);
  --subscription_count_;
  return taken;
}

std::unique_ptr<Subscription> Session::take_any() {
  return subscriptions_ == nullptr ? nullptr : take(*subscriptions_);
}

}  // namespace stampede::core
