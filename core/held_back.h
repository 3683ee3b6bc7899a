#pragma once

#include <vector>

#include "core/mailbox.h"
#include "core/memory_watch.h"
#include "core/shard_types.h"

namespace stampede::core {

class Client;
class ShardState;

// HeldBack is the clients of a shard that are not listened to, so that they do not feed what cannot
// take more: publishers while a mailbox on their way is full (a shard whose own mailboxes are full
// presses on those that publish through it), for a few milliseconds when most of their readers lag,
// while there is no memory, and while a queue has no room for what they sent.
//
// Owns:      the list of those that are looked at each turn. Thread: home shard.
// Lifetime:  part of the ShardState.
// Invariant: who is paused is on the list, or waits for room in a queue; the mail that ends that
//            wait puts it on the list.
class HeldBack {
 public:
  HeldBack(ShardState& shard, MailboxGrid& mailboxes, const MemoryWatch& memory)
      : shard_(shard), mailboxes_(mailboxes), memory_(memory) {}

  // -- Reasons to hold a client back.
  // It published to that owner.
  void on_publish(Client& client, ShardId owner);
  // It published to several, or to any.
  void on_publish(Client& client);
  // It keeps something for later.
  void on_keep(Client& client);
  // Most readers of what it publishes lag.
  void on_overrun(ClientRef client);
  // A transaction of its waits for room in queues, until the second.
  void on_commit_waits(Client& client);
  void on_commit_ended(ClientRef client);
  // One of its SENDs does.
  void on_send_waits(ClientRef client);
  void on_send_ended(ClientRef client);

  // Who is closing drains its input, whoever it fed.
  void on_closing(Client& client);

  // -- Letting go. Nobody is to be looked at.
  [[nodiscard]] bool is_empty() const { return listed_.empty(); }
  // Lets those go on who have no reason any more. What was held of theirs is taken.
  void release();
  // Whose Client::is_paused has changed; null: nobody's.
  [[nodiscard]] Client* next_receive_change();

 private:
  void hold(Client& client, Millis until);
  void list(Client& client);
  [[nodiscard]] bool is_pressed(ShardId owner) const;
  [[nodiscard]] bool is_any_pressed() const;

  ShardState& shard_;
  MailboxGrid& mailboxes_;
  const MemoryWatch& memory_;
  std::vector<ClientRef> listed_;
  std::vector<ClientRef> receive_changes_;
  Millis next_release_ = 0;  // while they wait for memory
};

}  // namespace stampede::core
