#include "tests/sim/resume_world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/message.h"

namespace stampede::sim {

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr core::Millis kKeptTime = 60'000;

ResumeRules make_rules(const ResumeScale& scale) {
  ResumeRules rules;
  rules.topics_with_history = scale.topics_with_history;
  rules.kept_time = kKeptTime;
  // Both separators, so that patterns meet both.
  for (uint32_t n = 0; n < scale.topics_with_history; ++n)
    rules.topics.push_back((n % 2 == 0 ? "/topic/kept." : "/topic/kept/") + std::to_string(n));
  rules.topics.emplace_back("/topic/bare/0");
  return rules;
}

// Nothing if the frame has no such header.
std::optional<std::string> header(const SimFrame& frame, const std::string& name) {
  const auto found = frame.headers.find(name);
  if (found == frame.headers.end()) return std::nullopt;
  return found->second;
}

}  // namespace

ResumeWorld::ResumeWorld(uint64_t seed, const ResumeScale& scale)
    : SimBroker(seed, scale.shards),
      scale_(scale),
      rules_(make_rules(scale)),
      said_by_topic_(rules_.topics.size()),
      order_(rules_, said_) {
  // In some lives all is kept.
  rules_.kept_max = random_.one_in(4) ? scale.sends : 1 + random_.below(60);
  options_.history = {
      {.pattern = "/topic/kept/#", .messages = rules_.kept_max, .time_ms = kKeptTime}};
  options_.retain_time_ms = kKeptTime;
  if (random_.one_in(3)) options_.replay_bytes_max = random_.below(20'000);
  are_alike_ = random_.one_in(2);
  let_happen(scale.faults);
  // What is kept goes, and now and then is still there.
  jump_max_ = 2 * kKeptTime;
  open_shards();
}

// -- What peers do.

ResumeWorld::Peer& ResumeWorld::open_peer() {
  auto owned = std::make_unique<Peer>();
  Peer& peer = *owned;
  open(std::move(owned), any_shard());
  return peer;
}

std::string ResumeWorld::body_of(size_t number) const {
  std::string body = std::to_string(number) + ":";
  // Small ones, some around a chunk's sizes, and now and then one that is referenced instead of
  // copied.
  const size_t filler = number % 97 == 13 ? 40'000 : number % 11 == 3 ? 3'000 : number % 60;
  body.append(filler, static_cast<char>('a' + number % 26));
  return body;
}

void ResumeWorld::on_broken(SimPeer& peer) {
  const auto publisher = std::ranges::find(publishers_, &peer);
  if (publisher != publishers_.end() && !is_draining_) *publisher = &open_peer();
}

void ResumeWorld::publish() {
  Peer& peer = *publishers_[random_.below(publishers_.size())];
  if (peer.is_leaving) return;
  const size_t number = said_.size();
  Said said;
  // One is hot.
  said.topic = static_cast<uint32_t>(random_.one_in(3) ? 0 : random_.below(rules_.topics.size()));
  said.is_red = random_.one_in(2);
  said.at = now_;
  Headers headers = {{"destination", rules_.topics[said.topic]},
                     {"color", said.is_red ? "red" : "blue"}};
  if (random_.one_in(6)) {
    said.retain = random_.one_in(4) ? Said::Retain::kRemove : Said::Retain::kSet;
    headers.emplace_back("retain", said.retain == Said::Retain::kRemove ? "remove" : "set");
  }
  said_.push_back(said);
  ++said_by_topic_[said.topic];
  write(peer, peer.protocol->frame("SEND", headers, body_of(number)));
  sends_.push_back({.publisher = &peer, .end = peer.socket.written});
}

void ResumeWorld::subscribe(Peer& peer, Interest& interest) {
  auto sub = std::make_unique<ResumeSub>();
  sub->id = interest.id;
  sub->wish = interest.wish;
  Headers headers = choose_beginning(interest, *sub);
  if (interest.wish.shows_position) headers.emplace_back("include-position", "true");
  if (interest.wish.is_red) headers.emplace_back("selector", "color = 'red'");
  if (interest.wish.is_acked) {
    headers.emplace_back("ack", random_.one_in(2) ? "client" : "client-individual");
    headers.emplace_back("prefetch-count", std::to_string(1 + random_.below(5)));
  }
  interest.sub = sub.get();
  write_subscribe(peer, std::move(sub), std::move(headers));
}

Headers ResumeWorld::choose_beginning(const Interest& interest, ResumeSub& sub) {
  const bool is_pattern = !interest.wish.topic;
  const bool resumes =
      !is_pattern && interest.wish.shows_position && interest.position && !random_.one_in(8);
  const uint64_t choice = resumes ? 7 : random_.below(is_pattern ? 6 : 7);
  Headers headers;
  if (choice < 3) return headers;
  if (choice == 3) {
    sub.form = ResumeForm::kNext;
    headers.emplace_back("from-seq", "-1");
  } else if (choice < 6) {
    sub.form = ResumeForm::kFirst;
    if (random_.one_in(2)) {
      headers.emplace_back("from-seq", "0");
    } else {
      headers.emplace_back("x-stream-offset", "first");
    }
  } else {
    sub.form = ResumeForm::kSequence;
    sub.is_honest = resumes;
    sub.sequence = resumes ? interest.position->sequence + 1
                           : 1 + random_.below(said_by_topic_[*interest.wish.topic] + 3);
    const std::string sequence = std::to_string(sub.sequence);
    if (random_.one_in(3)) {
      headers.emplace_back("x-stream-offset", "offset=" + sequence);
    } else {
      headers.emplace_back("from-seq", sequence);
    }
    if (resumes) {
      sub.epoch = interest.position->epoch;
      sub.known_at = interest.position->at;
    }
    if (!resumes && random_.one_in(4)) sub.epoch = "another";
    if (!sub.epoch.empty()) headers.emplace_back("from-epoch", sub.epoch);
  }
  return headers;
}

void ResumeWorld::write_subscribe(Peer& peer, std::unique_ptr<ResumeSub> sub, Headers headers) {
  const Wish& wish = sub->wish;
  const std::string destination = wish.topic       ? rules_.topics[*wish.topic]
                                  : wish.is_of_all ? "/topic/#"
                                                   : "/topic/kept/*";
  const std::string receipt = "s" + std::to_string(peer.subs.size());
  headers.emplace_back("id", sub->id);
  headers.emplace_back("destination", destination);
  headers.emplace_back("receipt", receipt);
  sub->numbered_before = order_.sizes();
  peer.receipts_expected.push_back(receipt);
  peer.subs.push_back(std::move(sub));
  write(peer, peer.protocol->frame("SUBSCRIBE", headers));
}

void ResumeWorld::unsubscribe(Peer& peer) {
  const size_t index = random_.below(peer.subs.size());
  ResumeSub& sub = *peer.subs[index];
  if (sub.is_ending) return;
  sub.is_ending = true;
  sub.ending_at = now_;
  std::erase_if(peer.unacknowledged, [&](const auto& one) { return one.sub == &sub; });
  const std::string receipt = "u" + std::to_string(index);
  peer.receipts_expected.push_back(receipt);
  write(peer, peer.protocol->frame("UNSUBSCRIBE", {{"id", sub.id}, {"receipt", receipt}}));
}

void ResumeWorld::acknowledge(Peer& peer, size_t count) {
  for (; count > 0 && !peer.unacknowledged.empty(); --count) {
    const Peer::Unacknowledged one = std::move(peer.unacknowledged.front());
    peer.unacknowledged.pop_front();
    Headers headers = {{"id", one.ack}};
    if (peer.protocol->version() != 12)
      headers = {{"message-id", one.message_id}, {"subscription", one.sub->id}};
    write(peer, peer.protocol->frame("ACK", headers));
  }
}

void ResumeWorld::leave(Peer& peer) {
  peer.is_leaving = true;
  switch (random_.below(5)) {
    case 0:
      write(peer, peer.protocol->frame("DISCONNECT", {}));
      break;
    case 1:
      end_stream(peer);
      break;
    default:
      cut(peer);
      break;
  }
}

void ResumeWorld::come_back(Fan& fan) {
  // It knows what it saw when nothing more comes from the old connection.
  if (fan.peer != nullptr && !fan.peer->is_released) return;
  Peer& peer = open_peer();
  peer.fan = &fan;
  fan.peer = &peer;
  for (Interest& interest : fan.interests) interest.sub = nullptr;
  if (random_.one_in(2)) subscribe(peer, fan.interests[0]);
}

void ResumeWorld::act_as_fan(Fan& fan) {
  Peer* const peer = fan.peer;
  if (peer == nullptr || peer->is_released || peer->is_leaving) {
    if (!is_draining_) come_back(fan);
    return;
  }
  if (!peer->can_act()) {
    // Some have no patience.
    if (random_.one_in(30)) leave(*peer);
    return;
  }
  switch (random_.below(10)) {
    case 0:
      leave(*peer);
      break;
    case 1:
      if (!peer->subs.empty() && random_.one_in(3)) unsubscribe(*peer);
      break;
    case 2:
      peer->stuck = static_cast<uint32_t>(random_.below(120));
      break;
    case 3:
    case 4:
    case 5:
      acknowledge(*peer, 1 + random_.below(5));
      break;
    default: {
      Interest& interest = fan.interests[random_.below(fan.interests.size())];
      if (interest.sub == nullptr || interest.sub->is_ended) subscribe(*peer, interest);
    }
  }
}

void ResumeWorld::act() {
  if (said_.size() < sends_max_ && random_.one_in(2)) {
    for (uint64_t burst = 1 + random_.below(3); burst > 0; --burst) publish();
  }
  act_as_fan(*fans_[random_.below(fans_.size())]);
}

// -- What they get.

void ResumeWorld::on_frame(SimPeer& of_peer, const SimFrame& frame) {
  Peer& peer = as_peer(of_peer);
  if (peer.is_dismissed) fail("a frame behind the ERROR");
  if (frame.command == "CONNECTED") {
    peer.is_connected = true;
  } else if (frame.command == "MESSAGE") {
    on_message(peer, frame);
  } else if (frame.command == "RECEIPT") {
    on_receipt(peer, frame);
  } else if (is_draining_ && frame.command == "ERROR" &&
             frame.headers.at("message") == "server-draining") {
    peer.is_dismissed = true;
  } else {
    fail("unexpected " + frame.command + " " + header(frame, "message").value_or("") + ": " +
         frame.body);
  }
}

void ResumeWorld::on_message(Peer& peer, const SimFrame& frame) {
  const std::string& id = frame.headers.at("subscription");
  // Of those with one id the last is meant: it was written when the others had ended.
  const auto sub = std::find_if(peer.subs.rbegin(), peer.subs.rend(),
                                [&](const auto& one) { return one->id == id; });
  if (sub == peer.subs.rend()) fail("a message for no subscription");
  ResumeSub& of = **sub;
  if (of.is_ended) fail("a message behind the receipt of UNSUBSCRIBE");
  Heard heard = {.number = static_cast<uint32_t>(std::stoul(frame.body))};
  if (heard.number >= said_.size() || frame.body != body_of(heard.number))
    fail("a body that nobody sent");
  if (frame.headers.at("destination") != rules_.topics[said_[heard.number].topic])
    fail("wrong destination");
  const auto sequence = header(frame, "seq");
  if (sequence.has_value() != of.wish.shows_position) fail("a position to whom did not ask");
  if (sequence) {
    heard.epoch = frame.headers.at("epoch");
    heard.sequence = std::stoull(*sequence);
  }
  if (&peer == witness_) order_.add(heard);
  of.heard.push_back(heard);
  if (of.wish.is_acked && !of.is_ending && peer.can_act()) {
    peer.unacknowledged.push_back(
        {&of, header(frame, "ack").value_or(""), frame.headers.at("message-id")});
  }
  if (peer.fan == nullptr || !sequence) return;
  const core::Millis at = last_followed(peer, of);
  for (Interest& interest : peer.fan->interests) {
    if (interest.sub == &of) interest.position = Position{heard.epoch, heard.sequence, at};
  }
}

// Who has left or unsubscribed follows the topic no more, whenever it reads.
core::Millis ResumeWorld::last_followed(const Peer& peer, const ResumeSub& sub) const {
  return std::min(peer.closed_at.value_or(now_), sub.is_ending ? sub.ending_at : now_);
}

void ResumeWorld::on_receipt(Peer& peer, const SimFrame& frame) {
  const std::string& id = frame.headers.at("receipt-id");
  if (peer.receipts_expected.empty() || peer.receipts_expected.front() != id)
    fail("receipt out of order: " + id);
  peer.receipts_expected.pop_front();
  ResumeSub& sub = *peer.subs[std::stoul(id.substr(1))];
  if (id[0] == 'u') {
    sub.is_ended = true;
    return;
  }
  ResumeAnswer answer;
  if (const auto recovered = header(frame, "recovered")) answer.recovered = *recovered == "true";
  answer.epoch = header(frame, "epoch").value_or("");
  if (const auto sequence = header(frame, "seq")) answer.sequence = std::stoull(*sequence);
  answer.said = said_.size();
  answer.at = now_;
  if (peer.fan != nullptr && answer.sequence) {
    const core::Millis at = last_followed(peer, sub);
    for (Interest& interest : peer.fan->interests) {
      if (interest.sub == &sub && !interest.position)
        interest.position = Position{answer.epoch, *answer.sequence, at};
    }
  }
  sub.answer = std::move(answer);
}

// -- A life.

void ResumeWorld::populate() {
  Peer& witness = open_peer();
  witness_ = &witness;
  witness.is_spared = true;
  for (uint32_t n = 0; n < scale_.publishers; ++n) publishers_.push_back(&open_peer());
  run_until_quiet();
  auto sub = std::make_unique<ResumeSub>();
  sub->id = "all";
  sub->wish = {.is_of_all = true, .shows_position = true};
  write_subscribe(witness, std::move(sub), {{"include-position", "true"}});
  run_until_quiet();
  if (!witness.subs[0]->answer) fail("the witness is not subscribed");
  for (uint32_t n = 0; n < scale_.fans; ++n) {
    fans_.push_back(std::make_unique<Fan>());
    for (uint64_t count = 1 + random_.below(3); count > 0; --count) {
      Interest interest;
      // Most share an id, as stompjs's clients do, and much of the rest, and so they share logs.
      const std::string number = std::to_string(fans_.back()->interests.size());
      interest.id = (random_.one_in(4) ? "my:" + std::to_string(n) + "-" : "sub-") + number;
      Wish& wish = interest.wish;
      if (!random_.one_in(5))
        wish.topic =
            static_cast<uint32_t>(random_.one_in(3) ? 0 : random_.below(rules_.topics.size()));
      wish.is_of_all = random_.one_in(2);
      wish.is_red = random_.one_in(6);
      wish.is_acked = random_.one_in(5);
      wish.shows_position = !random_.one_in(6);
      fans_.back()->interests.push_back(std::move(interest));
    }
  }
}

void ResumeWorld::live(size_t sends) {
  sends_max_ = sends;
  while (said_.size() < sends) live_on();
  // Some still come back when nothing is published any more.
  for (uint64_t acts = random_.below(200); acts > 0; --acts) live_on();
}

void ResumeWorld::idle() {
  settle();
  for (const auto& fan : fans_) {
    if (fan->peer != nullptr && fan->peer->can_act() && !random_.one_in(4)) leave(*fan->peer);
  }
  rest(kKeptTime + 2'000);
  // Most topics are forgotten then.
  if (random_.one_in(2)) rest(options_.dedup_time_ms + 2'000);
}

// Until everybody has everything.
void ResumeWorld::settle() {
  for (bool is_busy = true; is_busy;) {
    run_until_quiet();
    is_busy = false;
    for (SimPeer* of_peer : present_) {
      Peer& peer = as_peer(*of_peer);
      is_busy |= peer.can_act() && !peer.unacknowledged.empty();
      if (peer.can_act()) acknowledge(peer, SIZE_MAX);
    }
  }
}

void ResumeWorld::leave_all() {
  for (SimPeer* peer : std::vector<SimPeer*>(present_)) {
    if (!peer->is_leaving) leave(as_peer(*peer));
  }
  // What is kept of topics goes first, then they are forgotten.
  rest(kKeptTime + 2'000);
}

void ResumeWorld::run() {
  populate();
  const bool idles = random_.one_in(3);
  live(idles ? scale_.sends / 2 : scale_.sends);
  if (idles) {
    idle();
    live(scale_.sends);
  }
  settle();
  check_all_is_published();
  check_subscriptions();
  leave_all();
  check_tables_are_empty();
  if (core::Message::live_count() != 0) fail("a message was not freed");
}

void ResumeWorld::run_with_drain() {
  populate();
  live(scale_.sends / 2);
  sends_max_ = scale_.sends;
  drain();
  check_all_is_published();
  check_subscriptions();
  leave_all();
  check_tables_are_empty();
  if (core::Message::live_count() != 0) fail("a message was not freed");
}

// -- What must hold.

void ResumeWorld::check_all_is_published() {
  for (size_t number = 0; number < sends_.size(); ++number) {
    sends_[number].times_seen = order_.has(number) ? 1 : 0;
  }
  check_published(sends_);
}

void ResumeWorld::check_subscriptions() const {
  for (const auto& of_peer : peers_) {
    const Peer& peer = as_peer(*of_peer);
    const bool stayed = (!peer.is_released || is_draining_) && !peer.is_leaving;
    for (const auto& sub : peer.subs) {
      // A drain may come before a SUBSCRIBE, but not between it and its RECEIPT; and it does not
      // wait for acknowledgements.
      if (stayed && !sub->answer && (!is_draining_ || !sub->heard.empty()))
        fail("a SUBSCRIBE was not answered");
      const bool has_all = !is_draining_ || (sub->answer && !sub->wish.is_acked);
      order_.check(*sub, stayed && has_all && !sub->is_ending);
    }
  }
}

}  // namespace stampede::sim
