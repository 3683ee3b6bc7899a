// stampede_floor_uring: the least that fan-out costs with io_uring. Multishot accept and receive,
// provided buffers, and up to 256 sends handed over by one system call. A turn takes every
// completion there is, then sends each topic's batch to each subscriber.

#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/floor/floor_server.h"

namespace stampede::bench {
namespace {

constexpr unsigned kSubmissionEntries = 1024;
constexpr unsigned kCompletionEntries = 16384;
constexpr unsigned kSendsPerSubmission = 256;
constexpr unsigned kBuffers = 256;
constexpr unsigned kBufferBytes = 16 * 1024;
constexpr int kBufferGroup = 0;
// Receives of one turn; more would keep the first of them waiting.
constexpr size_t kArrivalsMax = 1024;
constexpr int kSendFlags = MSG_WAITALL | MSG_NOSIGNAL;

// The C++ form of the kernel's own header has it at 8.
static_assert(offsetof(io_uring_buf_ring, bufs) == 0);

enum class Op : uint64_t { kAccept, kReceive, kSend };

uint64_t tag(Op op, int fd) { return static_cast<uint64_t>(op) << 32 | static_cast<uint32_t>(fd); }

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  std::exit(1);
}

// What a topic got in one turn, sent to all its subscribers from the same octets.
struct Batch {
  std::string octets;
  size_t users = 0;
};

struct Connection {
  bool receiving = false;
  Batch* sending = nullptr;  // the one send in flight, or none
  size_t sent_bytes = 0;     // of it
  std::vector<Batch*> waiting;
};

class UringFloor : public FloorServer {
 public:
  explicit UringFloor(int listener) : listener_(listener) {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletionEntries;
    const int error = io_uring_queue_init_params(kSubmissionEntries, &ring_, &params);
    if (error < 0) fail("io_uring_queue_init", -error);
    (void)io_uring_register_ring_fd(&ring_);
    provide_buffers();
    prep_accept();
  }

  [[noreturn]] void run() {
    for (;;) {
      sends_prepared_ = 0;
      // What arrived while the last turn was sending is there already.
      const int error = arrived_.empty() ? io_uring_submit_and_wait(&ring_, 1)
                                         : io_uring_submit_and_get_events(&ring_);
      if (error < 0 && error != -EINTR && error != -EBUSY) fail("io_uring_enter", -error);
      reap();
      // By index: a subscription may flush, which may reap.
      for (size_t i = 0; i < arrived_.size(); ++i) on_arrival(arrived_[i]);
      arrived_.clear();
      flush();
    }
  }

 private:
  struct Arrival {
    uint64_t user_data;
    int result;
    unsigned flags;
  };

  static void* map(size_t bytes) {
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap", errno);
    return memory;
  }

  void provide_buffers() {
    buffers_ = static_cast<char*>(map(size_t{kBuffers} * kBufferBytes));
    buffer_ring_ = static_cast<io_uring_buf_ring*>(map(kBuffers * sizeof(io_uring_buf)));
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
    registration.ring_entries = kBuffers;
    registration.bgid = kBufferGroup;
    const int error = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (error < 0) fail("io_uring_register_buf_ring", -error);
    for (unsigned i = 0; i < kBuffers; ++i) recycle(i);
  }

  void recycle(unsigned buffer) {
    io_uring_buf_ring_add(buffer_ring_, buffers_ + size_t{buffer} * kBufferBytes, kBufferBytes,
                          static_cast<uint16_t>(buffer), io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(buffer_ring_, 1);
  }

  io_uring_sqe* sqe() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    return entry;
  }

  void prep_accept() {
    io_uring_sqe* const entry = sqe();
    io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    entry->user_data = tag(Op::kAccept, listener_);
  }

  void prep_receive(int fd) {
    io_uring_sqe* const entry = sqe();
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = kBufferGroup;
    entry->user_data = tag(Op::kReceive, fd);
  }

  void prep_send(int fd) {
    const Connection& connection = connection_at(fd);
    const std::string& octets = connection.sending->octets;
    const size_t piece = std::min(octets.size() - connection.sent_bytes, kFloorSendBytesMax);
    io_uring_sqe* const entry = sqe();
    io_uring_prep_send(entry, fd, octets.data() + connection.sent_bytes, piece, kSendFlags);
    entry->user_data = tag(Op::kSend, fd);
    ++sends_prepared_;
  }

  // Takes the completions there are: those of sends are dealt with at once, the others wait for
  // their turn. Looking costs a system call only if the kernel says that work waits there.
  void reap() {
    io_uring_cqe* cqe = nullptr;
    while (arrived_.size() < kArrivalsMax && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      const Arrival arrival = {cqe->user_data, cqe->res, cqe->flags};
      io_uring_cqe_seen(&ring_, cqe);
      if (arrival.user_data >> 32 == static_cast<uint64_t>(Op::kSend)) {
        on_sent(static_cast<int>(arrival.user_data & 0xffffffff), arrival.result);
      } else {
        arrived_.push_back(arrival);
      }
    }
  }

  void on_arrival(Arrival arrival) {
    const int fd = static_cast<int>(arrival.user_data & 0xffffffff);
    const bool goes_on = (arrival.flags & IORING_CQE_F_MORE) != 0;
    if (fd == listener_) {
      if (arrival.result >= 0) on_accepted(arrival.result);
      if (!goes_on) prep_accept();
      return;
    }
    bool well = arrival.result > 0 || arrival.result == -ENOBUFS;
    if (arrival.flags & IORING_CQE_F_BUFFER) {
      const unsigned buffer = arrival.flags >> IORING_CQE_BUFFER_SHIFT;
      const char* const data = buffers_ + size_t{buffer} * kBufferBytes;
      if (well) well = take(fd, {data, static_cast<size_t>(arrival.result)});
      recycle(buffer);
    }
    if (well && !goes_on) {
      prep_receive(fd);
    } else if (!well && goes_on) {
      shutdown(fd, SHUT_RDWR);  // which ends the receive
    } else if (!well) {
      on_ended(fd);
    }
  }

  void on_accepted(int fd) {
    if (static_cast<size_t>(fd) >= connections_.size()) {
      connections_.resize(static_cast<size_t>(fd) + 1);
    }
    connection_at(fd).receiving = true;
    prep_receive(fd);
  }

  // The receive is over. The descriptor goes when nothing of it is in flight.
  void on_ended(int fd) {
    forget(fd);
    Connection& connection = connection_at(fd);
    connection.receiving = false;
    drop_waiting(connection);
    if (connection.sending == nullptr) {
      close(fd);
    } else {
      shutdown(fd, SHUT_RDWR);
    }
  }

  void fan_out(std::string& octets, const std::vector<int>& subscribers) override {
    Batch* const batch = take_batch();
    batch->octets.swap(octets);
    ++batch->users;
    for (const int fd : subscribers) {
      send_behind(fd, batch);
      if (sends_prepared_ >= kSendsPerSubmission) {
        sends_prepared_ = 0;
        io_uring_submit(&ring_);
        reap();
      }
    }
    release(batch);
  }

  void send_constant(int fd, std::string_view octets) override {
    Batch* const batch = take_batch();
    batch->octets.assign(octets);
    send_behind(fd, batch);
  }

  void send_behind(int fd, Batch* batch) {
    Connection& connection = connection_at(fd);
    ++batch->users;
    if (connection.sending != nullptr) {
      connection.waiting.push_back(batch);
      return;
    }
    connection.sending = batch;
    connection.sent_bytes = 0;
    prep_send(fd);
  }

  void on_sent(int fd, int result) {
    Connection& connection = connection_at(fd);
    const bool failed = result <= 0 && result != -EINTR && result != -EAGAIN;
    if (result > 0) connection.sent_bytes += static_cast<size_t>(result);
    if (failed) drop_waiting(connection);
    if (failed || !connection.receiving ||
        connection.sent_bytes == connection.sending->octets.size()) {
      release(connection.sending);
      connection.sending = nullptr;
      connection.sent_bytes = 0;
      if (!connection.receiving) {
        close(fd);
        return;
      }
      if (connection.waiting.empty()) return;
      connection.sending = connection.waiting.front();
      connection.waiting.erase(connection.waiting.begin());
    }
    prep_send(fd);
  }

  void drop_waiting(Connection& connection) {
    for (Batch* const batch : connection.waiting) release(batch);
    connection.waiting = {};
  }

  Batch* take_batch() {
    if (free_batches_.empty()) {
      batches_.push_back(std::make_unique<Batch>());
      return batches_.back().get();
    }
    Batch* const batch = free_batches_.back();
    free_batches_.pop_back();
    return batch;
  }

  void release(Batch* batch) {
    if (--batch->users > 0) return;
    batch->octets.clear();
    free_batches_.push_back(batch);
  }

  Connection& connection_at(int fd) { return connections_[static_cast<size_t>(fd)]; }

  const int listener_;
  io_uring ring_ = {};
  char* buffers_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::vector<Connection> connections_;  // by descriptor
  std::vector<Arrival> arrived_;         // in this turn, accepts and receives
  unsigned sends_prepared_ = 0;          // not handed over yet
  std::vector<std::unique_ptr<Batch>> batches_;
  std::vector<Batch*> free_batches_;
};

}  // namespace
}  // namespace stampede::bench

int main(int argc, char** argv) {
  using namespace stampede::bench;
  floor_raise_file_limit();
  static UringFloor floor(floor_listen(floor_options(argc, argv)));
  floor.run();
}
