#include "core/mailbox.h"

namespace stampede::core {

namespace {

void discard(Envelope& envelope) {
  if (envelope.message != nullptr) envelope.message->drop_reference();
  delete envelope.name;
  delete envelope.consumer;
  delete envelope.reservation;
  delete envelope.recall;
}

}  // namespace

Mailbox::~Mailbox() {
  ring_.publish();
  Envelope envelope;
  while (ring_.try_pop(envelope)) discard(envelope);
  for (Envelope& waiting : overflow_) discard(waiting);
}

bool Mailbox::post(const Envelope& envelope) {
  if (overflow_.empty() && ring_.try_push(envelope)) return true;
  overflow_.push_back(envelope);
  return false;
}

bool Mailbox::publish() {
  while (!overflow_.empty() && ring_.try_push(overflow_.front())) overflow_.pop_front();
  return ring_.publish();
}

MailboxGrid::MailboxGrid(ShardId shards, size_t slots) : shards_(shards), pressed_(shards) {
  boxes_.reserve(size_t{shards} * shards);
  for (size_t n = 0; n < size_t{shards} * shards; ++n) {
    // A shard calls itself directly, so the diagonal stays empty; one slot keeps at() simple.
    const bool diagonal = n / shards == n % shards;
    boxes_.push_back(std::make_unique<Mailbox>(diagonal ? 1 : slots));
  }
}

}  // namespace stampede::core
