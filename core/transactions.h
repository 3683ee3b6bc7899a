#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/message.h"
#include "core/queue_types.h"

namespace stampede::core {

// One thing that a COMMIT does.
struct TransactionStep {
  Message* message = nullptr;  // to publish, one reference; null: it settles a delivery
  uint64_t ack_token = 0;      // of the delivery's subscription (AckId)
  uint64_t tag = 0;
  Settlement settlement = Settlement::kAck;
};

// Transaction is what a client put into one, in order (STOMP 1.2, "BEGIN").
//
// Owns:      its messages; what is not taken out is dropped with it, which is what ABORT means.
// Thread:    home shard.
class Transaction {
 public:
  explicit Transaction(std::string_view name) : name_(name) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Takes over the step's reference.
  void add(const TransactionStep& step);
  // The steps, whose references are the caller's then.
  [[nodiscard]] std::vector<TransactionStep> take_steps();

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] size_t size() const { return steps_.size(); }
  [[nodiscard]] size_t message_count() const { return message_count_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  const std::string name_;
  std::vector<TransactionStep> steps_;
  size_t message_count_ = 0;
  size_t bytes_ = 0;  // of the messages
};

// Transactions is the open ones of one session. Thread: home shard. Lookups are O(transactions),
// whose number is limited.
class Transactions {
 public:
  [[nodiscard]] Transaction* find(std::string_view name) const;
  // Requires: no transaction of that name is open.
  void begin(std::string_view name);
  // Requires: it is one of these.
  [[nodiscard]] std::unique_ptr<Transaction> take(Transaction& transaction);
  [[nodiscard]] size_t size() const { return open_.size(); }

 private:
  std::vector<std::unique_ptr<Transaction>> open_;
};

}  // namespace stampede::core
