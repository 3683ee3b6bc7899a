#include "core/commands/send_headers.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace stampede::core {
namespace {

using Headers = std::vector<proto::StompHeader>;

SendHeaders find(const Headers& headers) {
  proto::StompFrame frame;
  frame.headers = headers;
  return find_send_headers(frame);
}

TEST(SendHeaders, AreFoundWhereverTheyStand) {
  const Headers headers = {
      {"x", "0"},       {"count-subscriptions", "1"}, {"reply-to", "2"},    {"destination", "3"},
      {"receipt", "4"}, {"message-id", "5"},          {"transaction", "6"}, {"content-type", "7"}};
  const SendHeaders found = find(headers);
  ASSERT_NE(found.destination, nullptr);
  EXPECT_EQ(*found.count_subscriptions, "1");
  EXPECT_EQ(*found.reply_to, "2");
  EXPECT_EQ(*found.destination, "3");
  EXPECT_EQ(*found.receipt, "4");
  EXPECT_EQ(*found.message_id, "5");
  EXPECT_EQ(*found.transaction, "6");
  EXPECT_FALSE(found.asks_for_delay);
}

TEST(SendHeaders, AreTheFirstOfRepeatedOnes) {
  const Headers headers = {
      {"destination", ""}, {"destination", "2"}, {"receipt", "1"}, {"receipt", "2"}};
  const SendHeaders found = find(headers);
  EXPECT_EQ(found.destination, &headers[0].value);
  EXPECT_EQ(found.receipt, &headers[2].value);
}

TEST(SendHeaders, AreNullIfNotThere) {
  const SendHeaders found = find({{"Destination", "1"},
                                  {"replyto", "2"},
                                  {"message_id", "3"},
                                  {"receipts", "4"},
                                  {"count_subscriptions", "5"}});
  for (const auto* value : {found.destination, found.message_id, found.receipt, found.reply_to,
                            found.transaction, found.count_subscriptions}) {
    EXPECT_EQ(value, nullptr);
  }
}

TEST(SendHeaders, KnowDelaysUnderEveryName) {
  for (const char* name : {"AMQ_SCHEDULED_DELAY", "AMQ_SCHEDULED_CRON", "AMQ_SCHEDULED_"}) {
    EXPECT_TRUE(find({{name, "1"}}).asks_for_delay) << name;
  }
  EXPECT_FALSE(find({{"amq_scheduled_delay", "1"}}).asks_for_delay);
}

}  // namespace
}  // namespace stampede::core
