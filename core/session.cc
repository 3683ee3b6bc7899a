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
      handle_begin(client, frame, now);
      break;
    case kCommit:
      handle_commit(client, frame, now);
      break;
    case kAbort:
      handle_abort(client, frame, now);
      break;
    case kUnknown:
      break;
  }
}

// -- Receipts.

void Session::reply(Client& client, const proto::StompFrame& frame) {
  const uint32_t ticket = begin_reply(frame);
  if (ticket != 0) complete_reply(client, ticket);
}

void Session::complete_reply(Client& client, uint32_t ticket) {
  replies_.complete(ticket);
  release_replies(client);
}

void Session::expect_reports(uint32_t ticket, uint32_t shards) {
  replies_.expect_reports(ticket, shards);
}

void Session::report(Client& client, uint32_t ticket, uint64_t subscriptions) {
  replies_.report(ticket, subscriptions);
  release_replies(client);
}

void Session::release_replies(Client& client) {
  std::string& receipt = client.shard().frame_scratch;
  replies_.release([&](std::string_view receipt_id, std::optional<uint64_t> subscriptions,
                       std::string_view lines) {
    receipt.clear();
    proto::append_receipt(receipt, receipt_id, version_, subscriptions, lines);
    client.send_stomp(receipt);
  });
  client.settle_farewell();
}

// -- Deliveries.

Session::Rare& Session::rare() {
  if (rare_ == nullptr) rare_ = std::make_unique<Rare>();
  return *rare_;
}

Session::FoundDelivery Session::find_delivery(const AckId& id) const {
  for (Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks != nullptr && one->group->ack_token == id.token && one->acks->has(id.tag)) {
      return {.on_topic = one, .id = id};
    }
  }
  if (rare_ == nullptr) return {};
  for (const auto& one : rare_->queues.all()) {
    if (one->ack_token() == id.token && one->acks().has(id.tag)) {
      return {.on_queue = one.get(), .id = id};
    }
  }
  return {.is_of_ended =
              std::ranges::find(rare_->ended_tokens, id.token) != rare_->ended_tokens.end()};
}

Session::FoundDelivery Session::find_delivery_by_message_id(
    uint64_t id_hash, std::optional<std::string_view> subscription_id) const {
  for (Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks == nullptr) continue;
    if (subscription_id && one->group->id != *subscription_id) continue;
    if (const auto tag = one->acks->find_id(id_hash)) {
      return {.on_topic = one, .id = {*tag, one->group->ack_token}};
    }
  }
  if (rare_ == nullptr) return {};
  for (const auto& one : rare_->queues.all()) {
    if (subscription_id && one->id() != *subscription_id) continue;
    if (const auto tag = one->acks().find_id(id_hash)) {
      return {.on_queue = one.get(), .id = {*tag, one->ack_token()}};
    }
  }
  // Which message it meant is not known any more.
  return {.is_of_ended = !rare_->ended_tokens.empty()};
}

std::vector<Session::FoundDelivery> Session::covered_with(const FoundDelivery& delivery) const {
  std::vector<FoundDelivery> covered;
  const AckWindow& acks = delivery.acks();
  if (!acks.is_settled_with_others()) return covered;
  const uint64_t place = acks.place_of(delivery.id.tag);
  const auto add = [&](const AckWindow& others, FoundDelivery found) {
    if (&others == &acks || !others.is_settled_with(acks)) return;
    if (const auto tag = others.last_up_to(place)) {
      found.id.tag = *tag;
      covered.push_back(found);
    }
  };
  for (Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks != nullptr) add(*one->acks, {.on_topic = one});
  }
  if (rare_ != nullptr) {
    for (const auto& one : rare_->queues.all()) add(one->acks(), {.on_queue = one.get()});
  }
  return covered;
}

bool Session::has_unfinished() const {
  for (const Subscription* one = subscriptions_.get(); one != nullptr; one = one->next.get()) {
    if (one->acks != nullptr && one->acks->size() > 0) return true;
  }
  if (rare_ == nullptr) return false;
  const auto has_deliveries = [](const auto& queue) { return queue->acks().size() > 0; };
  return rare_->transactions.size() > 0 || std::ranges::any_of(rare_->queues.all(), has_deliveries);
}

void Session::remember_ended(uint64_t ack_token) {
  std::vector<uint64_t>& tokens = rare().ended_tokens;
  if (tokens.size() == kEndedTokensMax) tokens.erase(tokens.begin());
  tokens.push_back(ack_token);
}

bool Session::is_subscribed_as(std::optional<std::string_view> id,
                               std::string_view destination) const {
  if (id ? find_by_id(*id) != nullptr : find_by_destination(destination) != nullptr) return true;
  if (rare_ == nullptr) return false;
  return id ? rare_->queues.find_by_id(*id) != nullptr
            : rare_->queues.find_by_destination(destination) != nullptr;
}

// -- Subscriptions.

void Session::add(std::unique_ptr<Subscription> subscription) {
  subscription->next = std::move(subscriptions_);
  subscriptions_ = std::move(subscription);
  ++subscription_count_;
  dropping_count_ += subscriptions_->group->drops();
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
  dropping_count_ -= taken->group->drops();
  return taken;
}

std::unique_ptr<Subscription> Session::take_any() {
  return subscriptions_ == nullptr ? nullptr : take(*subscriptions_);
}

}  // namespace stampede::core
