#pragma once

namespace stampede::core {

class Message;

// MessageFilter says which messages a subscription wants.
//
// Thread:    that of whoever holds it; takes() changes nothing that can be seen.
// Invariant: the answer for a message never changes, so that a refusal may be remembered.
class MessageFilter {
 public:
  virtual ~MessageFilter() = default;
  [[nodiscard]] virtual bool takes(const Message& message) const = 0;
};

}  // namespace stampede::core
