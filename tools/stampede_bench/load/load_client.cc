#include "tools/stampede_bench/load/load_client.h"

#include <cstring>
#include <random>

#include "tools/stampede_bench/load/load_thread.h"

namespace stampede::bench {
namespace {

// RFC 9562 version 4, as browsers make them with crypto.randomUUID().
std::string make_uuid() {
  static thread_local std::mt19937_64 random(std::random_device{}());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string uuid = "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx";
  for (char& letter : uuid) {
    if (letter == 'x') letter = kDigits[random() & 15];
  }
  return uuid;
}

}  // namespace

LoadClient::LoadClient(LoadThread& thread, const ClientPlan& plan, Expectation expectation)
    : thread_(thread),
      plan_(plan),
      expectation_(expectation),
      check_(thread.plan(), plan.destination, expectation) {}

bool LoadClient::connect(const net::SocketAddress* source) {
  std::string error;
  connect_ns_ = thread_.loop().now_ns();
  link_ = thread_.loop().connect(*this, source, error);
  if (link_ == nullptr) thread_.note_refused(error);
  return link_ != nullptr;
}

void LoadClient::publish(const Stamp& stamp) {
  if (link_ == nullptr) return;
  const PublisherPlan& publisher = thread_.plan().publishers[plan_.publisher];
  link_->dialect->append_publish(
      link_->out, thread_.plan().destinations[publisher.destination_of(stamp.number)],
      thread_.body().make(stamp));
  thread_.loop().note_written(*link_);
}

void LoadClient::leave(bool politely) {
  if (link_ == nullptr) return;
  is_leaving_ = true;
  if (politely) {
    // The broker closes, and on_lost() is told then.
    link_->dialect->append_disconnect(link_->out);
    thread_.loop().note_written(*link_);
    return;
  }
  thread_.loop().close(*std::exchange(link_, nullptr));
}

void LoadClient::on_connected() {
  if (!subscribes()) return become_ready();
  const BenchOptions& options = *thread_.plan().options;
  const std::string id = options.has_uuid_ids ? make_uuid() : "sub-0";
  link_->dialect->append_subscribe(link_->out,
                                   {.destination = thread_.plan().destinations[plan_.destination],
                                    .id = id,
                                    .ack = options.ack,
                                    .prefetch = options.prefetch});
}

void LoadClient::on_subscribed() { become_ready(); }

void LoadClient::become_ready() {
  if (std::exchange(is_ready_, true)) return;
  thread_.tally().connect.record(thread_.loop().now_ns() - connect_ns_);
  thread_.note_ready();
}

void LoadClient::on_delivery(std::string_view body, std::string_view ack_id) {
  if (!ack_id.empty() && !is_leaving_) link_->dialect->append_ack(link_->out, ack_id);
  const auto stamp = thread_.body().check(body);
  if (!stamp) {
    ++thread_.tally().errors.corrupted;
    return thread_.run().note_error("a body is not what was sent: " +
                                    std::string(body.substr(0, 80)));
  }
  if (!check_.take_next(*stamp) && !take_other(*stamp)) return;
  if (expectation_ != Expectation::kFromFirst) thread_.count_delivery(*stamp, plan_.destination);
}

bool LoadClient::take_other(const Stamp& stamp) {
  ReportErrors& errors = thread_.tally().errors;
  const ReportErrors before = errors;
  bool is_first = false;
  // Who of a queue's consumers had it before only the flight knows.
  if (expectation_ == Expectation::kSome && thread_.was_delivered(stamp)) {
    ++errors.duplicated;
  } else {
    is_first = check_.take_other(stamp, thread_.published_by(stamp.publisher), errors);
  }
  if (errors.total() > before.total()) {
    const char* const what = errors.duplicated > before.duplicated ? " came twice to "
                             : errors.reordered > before.reordered ? " came behind later ones to "
                                                                   : " was not sent to ";
    thread_.run().note_error("message " + std::to_string(stamp.number) + " of publisher " +
                             std::to_string(stamp.publisher) + what +
                             thread_.plan().destinations[plan_.destination]);
  }
  return is_first;
}

void LoadClient::on_refused(std::string_view reason) {
  if (is_leaving_) return;
  thread_.note_refused(reason);
}

void LoadClient::on_lost(int error) {
  link_ = nullptr;
  if (is_leaving_) return;
  ++thread_.tally().errors.disconnected;
  const char* const what = is_ready_ ? "a connection was lost: " : "could not connect: ";
  thread_.run().note_error(std::string(what) +
                           (error == 0 ? "closed by the broker" : std::strerror(error)));
  if (!is_ready_) thread_.give_up_set_up();
}

}  // namespace stampede::bench
