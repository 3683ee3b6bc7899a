#include "tests/net/faulty_ring.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/buffer_ring.h"

extern "C" {
int __real_io_uring_submit_and_get_events(io_uring* ring);
int __real_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wait_for,
                                            __kernel_timespec* timeout, sigset_t* mask);
int __real_close(int fd);
}

namespace stampede::net {
namespace {

// The operation of a NOP of ours; the broker has none of it.
constexpr uint64_t kNopMark = uint64_t{0xfe} << 56;
// A group that nobody registered has no buffer.
constexpr uint16_t kEmptyBufferGroup = kReceiveBufferGroup + 1;
constexpr uint64_t kLateEntersMax = 8;
constexpr uint64_t kShortReceiveBytesMax = 40;

bool is_nop_of_ours(uint64_t user_data) { return user_data >> 56 == kNopMark >> 56; }

bool is_watched(uint64_t user_data) {
  const Op op = OpTag::decode(user_data).op;
  return op == Op::kReceive || op == Op::kSend;
}

}  // namespace

FaultyRing::FaultyRing(RingFaults& faults, io_uring& ring, size_t number)
    : faults_(faults),
      ring_(ring),
      number_(number),
      random_(faults.seed() * 1'000'003 + number),
      next_nop_(kNopMark) {}

FaultyRing::~FaultyRing() {
  // What was accepted and is late is nobody's.
  const auto drop = [](const Completion& completion) {
    if (OpTag::decode(completion.user_data).op == Op::kAccept && completion.result >= 0)
      __real_close(completion.result);
  };
  for (const Late& late : late_) drop(late.completion);
  for (const auto& [nop, rewritten] : rewritten_) drop(rewritten.completion);
  for (const auto& [user_data, fd] : under_way_) faults_.end_operation(fd);
}

int FaultyRing::submit() {
  if (const int error = refusal()) return error;
  const int result = __real_io_uring_submit_and_get_events(&ring_);
  look_at_completions();
  return result;
}

int FaultyRing::submit_and_wait(io_uring_cqe** cqe, unsigned wait_for, __kernel_timespec* timeout,
                                sigset_t* mask) {
  if (const int error = refusal()) return error;
  const bool is_interrupted = happens(Fault::kEnterInterrupted);
  const int result =
      is_interrupted || !late_of_.empty()
          ? __real_io_uring_submit_and_get_events(&ring_)
          : __real_io_uring_submit_and_wait_timeout(&ring_, cqe, wait_for, timeout, mask);
  look_at_completions();
  return is_interrupted ? -EINTR : result;
}

// -- On the way in.

int FaultyRing::refusal() {
  ++enters_;
  faults_.stay_if_stalled(number_);
  int error = 0;
  if (happens(Fault::kEnterRefused, {EAGAIN, EBUSY}, error)) return -error;
  alter_submissions();
  bring_late_ones();
  return 0;
}

void FaultyRing::alter_submissions() {
  for (; altered_tail_ != ring_.sq.sqe_tail; ++altered_tail_) {
    io_uring_sqe& sqe = ring_.sq.sqes[altered_tail_ & ring_.sq.ring_mask];
    note_begin(sqe);
    alter(sqe);
  }
}

void FaultyRing::alter(io_uring_sqe& sqe) {
  switch (sqe.opcode) {
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
      return alter_send(sqe);
    case IORING_OP_RECV:
      return alter_receive(sqe);
    case IORING_OP_ACCEPT:
      return alter_accept(sqe);
    case IORING_OP_POLL_ADD:
      if (happens(Fault::kSinglePoll)) sqe.len &= ~static_cast<uint32_t>(IORING_POLL_ADD_MULTI);
      return;
    case IORING_OP_ASYNC_CANCEL:
      if (OpTag::decode(sqe.user_data).op == Op::kCancel && happens(Fault::kLostCancel))
        answer(sqe, -ENOENT);
      return;
    default:
      return;
  }
}

void FaultyRing::alter_send(io_uring_sqe& sqe) {
  int value = 0;
  if (happens(Fault::kSendFailed, {ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENOMEM, ENOBUFS},
              value)) {
    return answer(sqe, -value);
  }
  if (happens(Fault::kSendRetry, {EINTR, EAGAIN}, value)) return answer(sqe, -value);
  // All that it carries, or the first of its spans: part of it is a send of its own.
  iovec first = {.iov_base = reinterpret_cast<void*>(sqe.addr), .iov_len = sqe.len};
  bool has_more = false;
  if (sqe.opcode == IORING_OP_SENDMSG) {
    const msghdr& message = *reinterpret_cast<const msghdr*>(sqe.addr);
    first = *message.msg_iov;
    has_more = message.msg_iovlen > 1;
  }
  if (happens(Fault::kSendScribbled)) ++*static_cast<uint8_t*>(first.iov_base);
  const size_t most = has_more ? first.iov_len : first.iov_len - 1;
  if (most == 0 || !happens(Fault::kShortSend, {0}, value)) return;
  sqe.opcode = IORING_OP_SEND;
  sqe.addr = reinterpret_cast<uint64_t>(first.iov_base);
  sqe.len = static_cast<uint32_t>(value == 0 ? 1 + random_.below(most)
                                             : std::min(static_cast<size_t>(value), most));
  sqe.msg_flags &= ~static_cast<uint32_t>(MSG_WAITALL);
}

void FaultyRing::alter_receive(io_uring_sqe& sqe) {
  int value = 0;
  if (happens(Fault::kReceiveFailed, {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM}, value))
    return answer(sqe, -value);
  if (happens(Fault::kReceiveRetry, {EINTR, EAGAIN}, value)) return answer(sqe, -value);
  if (happens(Fault::kNoBuffers)) sqe.buf_group = kEmptyBufferGroup;
  const bool is_short = happens(Fault::kShortReceive, {0}, value);
  if (!is_short && !happens(Fault::kSingleReceive)) return;
  sqe.ioprio &= static_cast<uint16_t>(~IORING_RECV_MULTISHOT);
  if (!is_short) return;
  sqe.len = value == 0 ? static_cast<uint32_t>(1 + random_.below(kShortReceiveBytesMax))
                       : static_cast<uint32_t>(value);
}

void FaultyRing::alter_accept(io_uring_sqe& sqe) {
  int value = 0;
  if (happens(Fault::kAcceptExhausted, {EMFILE, ENFILE, ENOBUFS, ENOMEM}, value))
    return answer(sqe, -value);
  if (happens(Fault::kAcceptRetry, {ECONNABORTED, EPROTO, EINTR, EAGAIN}, value))
    return answer(sqe, -value);
  if (happens(Fault::kSingleAccept)) sqe.ioprio &= static_cast<uint16_t>(~IORING_ACCEPT_MULTISHOT);
}

void FaultyRing::answer(io_uring_sqe& sqe, int result) {
  const uint64_t nop = next_nop_++;
  rewritten_[nop] = {.completion = {.user_data = sqe.user_data, .result = result, .flags = 0},
                     .is_late = false};
  io_uring_prep_nop(&sqe);
  sqe.user_data = nop;
}

void FaultyRing::note_begin(const io_uring_sqe& sqe) {
  if (!is_watched(sqe.user_data)) return;
  if (!under_way_.emplace(sqe.user_data, sqe.fd).second)
    faults_.violation("a second operation of one kind is submitted for a connection");
  faults_.begin_operation(sqe.fd);
}

// Those whose time has come, unless an earlier one of the same operation still waits.
void FaultyRing::bring_late_ones() {
  for (auto late = late_.begin(); late != late_.end();) {
    const uint64_t user_data = late->completion.user_data;
    const bool is_first = std::none_of(late_.begin(), late, [&](const Late& earlier) {
      return earlier.completion.user_data == user_data;
    });
    io_uring_sqe* const sqe = is_first && late->due <= enters_ ? io_uring_get_sqe(&ring_) : nullptr;
    if (sqe == nullptr) {
      ++late;
      continue;
    }
    const uint64_t nop = next_nop_++;
    rewritten_[nop] = {.completion = late->completion, .is_late = true};
    io_uring_prep_nop(sqe);
    sqe->user_data = nop;
    late = late_.erase(late);
  }
  altered_tail_ = ring_.sq.sqe_tail;
}

// -- On the way out.

void FaultyRing::look_at_completions() {
  // acquire: the entries were written before the tail that covers them.
  const unsigned tail = __atomic_load_n(ring_.cq.ktail, __ATOMIC_ACQUIRE);
  for (; seen_tail_ != tail; ++seen_tail_) look_at(ring_.cq.cqes[seen_tail_ & ring_.cq.ring_mask]);
}

void FaultyRing::look_at(io_uring_cqe& cqe) {
  if (is_nop_of_ours(cqe.user_data)) {
    const auto rewritten = rewritten_.extract(cqe.user_data);
    const auto& [completion, is_late] = rewritten.mapped();
    cqe.user_data = completion.user_data;
    cqe.res = completion.result;
    cqe.flags = completion.flags;
    if (is_late && --late_of_.at(cqe.user_data) == 0) late_of_.erase(cqe.user_data);
  } else if (OpTag::decode(cqe.user_data).op != Op::kNone &&
             (late_of_.contains(cqe.user_data) || happens(Fault::kLateCompletion))) {
    ++late_of_[cqe.user_data];
    late_.push_back({.completion = {cqe.user_data, cqe.res, cqe.flags},
                     .due = enters_ + 1 + random_.below(kLateEntersMax)});
    cqe.user_data = OpTag{}.encode();
    cqe.res = 0;
    cqe.flags = 0;
    return;
  }
  note_end(cqe);
}

void FaultyRing::note_end(const io_uring_cqe& cqe) {
  if (!is_watched(cqe.user_data) || (cqe.flags & IORING_CQE_F_MORE) != 0) return;
  const auto it = under_way_.find(cqe.user_data);
  if (it == under_way_.end()) return faults_.violation("a completion of nothing");
  faults_.end_operation(it->second);
  under_way_.erase(it);
}

template <size_t kCount>
bool FaultyRing::happens(Fault fault, const int (&choices)[kCount], int& value) {
  int of_rule = 0;
  if (!faults_.happens(fault, random_, &of_rule)) return false;
  value = of_rule != 0 ? of_rule : choices[random_.below(kCount)];
  return true;
}

}  // namespace stampede::net
