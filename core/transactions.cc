#include "core/transactions.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace stampede::core {

Transaction::~Transaction() {
  for (const TransactionStep& step : steps_) {
    if (step.message != nullptr) step.message->drop_reference();
  }
}

void Transaction::add(const TransactionStep& step) {
  steps_.push_back(step);
  if (step.message == nullptr) return;
  ++message_count_;
  bytes_ += step.message->memory_bytes();
}

std::vector<TransactionStep> Transaction::take_steps() { return std::exchange(steps_, {}); }

Transaction* Transactions::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(open_, [&](const auto& one) { return one->name() == name; });
  return found == open_.end() ? nullptr : found->get();
}

void Transactions::begin(std::string_view name) {
  DCHECK(find(name) == nullptr);
  open_.push_back(std::make_unique<Transaction>(name));
}

std::unique_ptr<Transaction> Transactions::take(Transaction& transaction) {
  const auto found =
      std::ranges::find_if(open_, [&](const auto& one) { return one.get() == &transaction; });
  DCHECK(found != open_.end());
  std::unique_ptr<Transaction> taken = std::move(*found);
  open_.erase(found);
  return taken;
}

}  // namespace stampede::core
