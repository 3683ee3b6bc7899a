#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::core {

// ReplyQueue keeps the RECEIPTs of one session in the order of the frames that asked for them
// (STOMP 1.2, "RECEIPT"), while owner shards take their time to do what each stands for.
//
// Owns:      the receipt texts that wait; nothing while none does. The queues of a thread hand one
//            spare set of memory on, as most receipts are due at once. Thread: home shard.
class ReplyQueue {
 public:
  [[nodiscard]] bool empty() const { return waiting_ == nullptr; }
  [[nodiscard]] size_t size() const { return waiting_ == nullptr ? 0 : waiting_->replies.size(); }

  // Remembers a receipt that is due once complete() was called `parts` times; gives its ticket,
  // never 0.
  [[nodiscard]] uint32_t add(std::string_view receipt_id, uint32_t parts = 1);
  // The same without a receipt: it only keeps those behind it waiting.
  [[nodiscard]] uint32_t add_silent(uint32_t parts);
  // The reply says how many subscriptions its messages were for: it is due once these are counted
  // too. Requires: just added.
  void count_subscriptions(uint32_t ticket);
  // So many shards will report() what they counted.
  void expect_reports(uint32_t ticket, uint32_t shards);
  void report(uint32_t ticket, uint64_t subscriptions);
  // A part of the ticket's work is done. Unknown tickets are ignored: the session may have ended
  // meanwhile.
  void complete(uint32_t ticket);
  // The ticket's work has one more part. Unknown tickets are ignored.
  void add_part(uint32_t ticket);
  // Has the ticket's reply say more: `lines` are header lines. Unknown tickets are ignored.
  void note(uint32_t ticket, std::string_view lines);
  // The ticket's work failed: it will not be emitted. Gives its text; nothing for unknown tickets.
  std::optional<std::string> cancel(uint32_t ticket);
  // Calls emit(receipt_id, subscriptions, lines) for each reply at the front that is done, and
  // removes it.
  template <typename Emit>
  void release(Emit&& emit);

 private:
  struct Reply {
    uint32_t text_size;
    uint32_t parts_left;
    int32_t reports_left = 0;  // below 0 while some came before it was known how many will
    bool is_cancelled = false;
    std::optional<uint64_t> subscriptions = std::nullopt;

    [[nodiscard]] bool is_done() const { return parts_left == 0 && reports_left == 0; }
  };
  struct Note {
    uint32_t ticket;
    std::string lines;
  };
  struct Waiting {
    std::vector<Reply> replies;
    std::string texts;        // one behind the other
    std::vector<Note> notes;  // few have one
    uint32_t first_ticket = 0;
  };

  static std::unique_ptr<Waiting>& spare_of_thread();
  void end_waiting();
  // Null for unknown tickets.
  [[nodiscard]] Reply* find(uint32_t ticket);
  // Of the reply with that index among those that wait.
  [[nodiscard]] std::string_view note_of(uint32_t index) const {
    return waiting_->notes.empty() ? std::string_view()
                                   : find_note(kTicketMark | (waiting_->first_ticket + index));
  }
  [[nodiscard]] std::string_view find_note(uint32_t ticket) const;

  // Set in every ticket, so that none is 0; the bits below count, and may wrap.
  static constexpr uint32_t kTicketMark = uint32_t{1} << 31;

  std::unique_ptr<Waiting> waiting_;
  uint32_t next_ticket_ = 0;
};

template <typename Emit>
void ReplyQueue::release(Emit&& emit) {
  if (waiting_ == nullptr) return;
  size_t done = 0;
  size_t texts_done = 0;
  for (; done < waiting_->replies.size() && waiting_->replies[done].is_done(); ++done) {
    const Reply& reply = waiting_->replies[done];
    if (!reply.is_cancelled) {
      emit(std::string_view(waiting_->texts).substr(texts_done, reply.text_size),
           reply.subscriptions, note_of(static_cast<uint32_t>(done)));
    }
    texts_done += reply.text_size;
  }
  if (done == waiting_->replies.size()) {
    end_waiting();
    return;
  }
  waiting_->texts.erase(0, texts_done);
  waiting_->replies.erase(waiting_->replies.begin(),
                          waiting_->replies.begin() + static_cast<ptrdiff_t>(done));
  waiting_->first_ticket += static_cast<uint32_t>(done);
  std::erase_if(waiting_->notes, [this](const Note& one) { return find(one.ticket) == nullptr; });
}

}  // namespace stampede::core
