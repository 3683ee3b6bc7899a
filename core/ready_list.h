#pragma once

#include "core/client.h"
#include "core/fan_out_log.h"
#include "core/intrusive_list.h"

namespace stampede::core {

// ReadyList is the queue of clients that have something to send and no send in flight, in the order
// in which that became true, so that flushing goes round robin.
//
// Owns: nothing. Thread: home shard.
class ReadyList {
 public:
  void mark(Client& client) {
    if (client.is_ready) return;
    client.is_ready = true;
    ++size_;
    clients_.push_back(client);
  }
  // A client with a send in flight is marked when that is complete.
  void mark_unless_sending(Client& client) {
    if (!client.is_sending()) mark(client);
  }
  // The cursor was woken: its client has something to send.
  void mark_behind(Cursor& cursor) {
    Client& client = *cursor.client;
    client.add_behind(cursor);
    mark_unless_sending(client);
  }
  void remove(Client& client) {
    if (!client.is_ready) return;
    client.is_ready = false;
    --size_;
    clients_.remove(client);
  }
  [[nodiscard]] Client* pop() {
    Client* client = clients_.pop_front();
    if (client == nullptr) return nullptr;
    client->is_ready = false;
    --size_;
    return client;
  }
  [[nodiscard]] bool empty() const { return clients_.empty(); }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  IntrusiveList<Client, &Client::ready_link> clients_;
  size_t size_ = 0;
};

}  // namespace stampede::core
