#include "bench/floor/floor_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tools/stampede_bench/wire/floor_protocol.h"

namespace stampede::bench {
namespace {

constexpr std::string_view kReady(kFloorReady, sizeof kFloorReady);

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr,
               "Usage: %s [--listen IPv4:PORT] [--send-buffer BYTES]\n"
               "Port 0 picks one; a send buffer of 0 leaves it to the kernel.\n",
               program);
  std::exit(2);
}

template <typename Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

void check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

void set_option(int fd, int level, int name, int value) {
  check(setsockopt(fd, level, name, &value, sizeof value) == 0, "setsockopt");
}

}  // namespace

FloorOptions floor_options(int argc, char** argv) {
  FloorOptions options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[0]);
    const std::string_view flag = argv[i];
    const std::string_view value = argv[i + 1];
    if (flag == "--send-buffer") {
      if (!parse(value, options.send_buffer_bytes)) usage(argv[0]);
    } else if (flag == "--listen") {
      const size_t colon = value.rfind(':');
      if (colon == value.npos || !parse(value.substr(colon + 1), options.port)) usage(argv[0]);
      options.host = value.substr(0, colon);
    } else {
      usage(argv[0]);
    }
  }
  return options;
}

int floor_listen(const FloorOptions& options) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1) {
    std::fprintf(stderr, "'%s' is no IPv4 address\n", options.host.c_str());
    std::exit(2);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  check(fd >= 0, "socket");
  // NODELAY and SNDBUF are inherited by what is accepted.
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.send_buffer_bytes > 0) {
    set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  }
  socklen_t size = sizeof address;
  check(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  check(listen(fd, 4096) == 0, "listen");
  check(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  std::printf("listening on %s:%u\nready\n", options.host.c_str(), ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

void floor_raise_file_limit() {
  rlimit limit = {};
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

bool FloorServer::take(int fd, std::string_view octets) {
  Client& client = client_at(fd);
  std::string& begun = client.record_begun;
  if (!begun.empty()) {
    begun.append(octets);
    octets = begun;
  }
  while (octets.size() >= kFloorHeaderBytes) {
    FloorHeader header;
    if (!read_floor_header(octets.data(), header)) return false;
    if (octets.size() - kFloorHeaderBytes < header.payload_bytes) break;
    octets.remove_prefix(kFloorHeaderBytes);
    switch (header.kind) {
      case FloorKind::kHello:
        send_constant(fd, kReady);
        break;
      case FloorKind::kSubscribe:
        subscribe(fd, header.topic);
        break;
      case FloorKind::kPublish:
        publish(header.topic, octets.substr(0, header.payload_bytes));
        octets.remove_prefix(header.payload_bytes);
        break;
    }
  }
  if (begun.empty()) {
    begun.assign(octets);
  } else {
    begun.erase(0, begun.size() - octets.size());
  }
  return true;
}

void FloorServer::subscribe(int fd, uint32_t number) {
  Topic& topic = topic_at(number);
  flush(topic);  // what came before the subscription is not for it
  send_constant(fd, kReady);
  topic.subscribers.push_back(fd);
  client_at(fd).topics.push_back(number);
}

void FloorServer::publish(uint32_t number, std::string_view payload) {
  Topic& topic = topic_at(number);
  if (topic.batch.empty()) dirty_.push_back(number);
  topic.batch.append(payload);
}

void FloorServer::flush() {
  for (const uint32_t number : dirty_) flush(topics_[number]);
  dirty_.clear();
}

void FloorServer::flush(Topic& topic) {
  if (topic.batch.empty()) return;
  if (!topic.subscribers.empty()) fan_out(topic.batch, topic.subscribers);
  topic.batch.clear();
}

void FloorServer::forget(int fd) {
  Client& client = client_at(fd);
  for (const uint32_t number : client.topics) std::erase(topics_[number].subscribers, fd);
  client = {};
}

FloorServer::Topic& FloorServer::topic_at(uint32_t number) {
  if (number >= topics_.size()) topics_.resize(number + 1);
  return topics_[number];
}

FloorServer::Client& FloorServer::client_at(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= clients_.size()) clients_.resize(index + 1);
  return clients_[index];
}

}  // namespace stampede::bench
