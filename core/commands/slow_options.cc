#include "core/commands/slow_options.h"

#include <utility>

#include "core/destination_name.h"
#include "core/shard_state.h"

namespace stampede::core {

Result<std::optional<SlowTerms>> read_slow_options(const proto::StompFrame& frame) {
  const auto text = frame.header("slow-consumer");
  if (!text) return std::nullopt;
  Result<SlowTerms> terms = parse_slow_terms(*text);
  if (!terms) return std::unexpected("the header slow-consumer: " + terms.error());
  return std::move(*terms);
}

Result<SlowTerms> slow_terms_for(const MappedDestination& to, const std::optional<SlowTerms>& asked,
                                 bool is_acked, const Options& options) {
  // Rules are written as users write destinations; a private route is nothing that they know.
  const std::string_view name = is_open_to_patterns(to.route) ? to.route : to.text;
  SlowTerms terms = slow_terms_of(name, options.slow_consumer);
  if (terms.bytes == 0) terms.bytes = options.slow_consumer_bytes;
  if (asked) {
    Result<SlowTerms> lowered = lower_slow_terms(terms, *asked);
    if (!lowered) return lowered;
    terms = std::move(*lowered);
  }
  // What is acknowledged is counted by the log, which must have it all: it keeps the newest
  // instead.
  if (is_acked && terms.policy == SlowPolicy::kDropNew) terms.policy = SlowPolicy::kDropOld;
  if (terms.policy == SlowPolicy::kDisconnect && terms.bytes == options.slow_consumer_bytes) {
    terms.bytes = 0;
  }
  return terms;
}

bool has_bad_slow_terms(Client& client, const proto::StompFrame& frame,
                        std::span<const MappedDestination> destinations,
                        const std::optional<SlowTerms>& asked) {
  if (!asked) return false;
  for (const MappedDestination& to : destinations) {
    if (to.kind == DestinationKind::kQueue) {
      client.fail(errors::kUnsupportedHeader,
                  "slow-consumer is for topics: a queue keeps what its consumers do not take",
                  &frame);
      return true;
    }
    const auto terms = slow_terms_for(to, asked, false, client.shard().options());
    if (!terms) {
      client.fail(errors::kUnsupportedHeader, terms.error(), &frame);
      return true;
    }
  }
  return false;
}

}  // namespace stampede::core
