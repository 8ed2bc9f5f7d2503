#include "checks/history.hpp"

#include <gtest/gtest.h>

namespace evergres::checks {
namespace {

TEST(History, IsReadAndJudged) {
  const auto good = judge(R"({"workload":"set","additions":[{"id":"a","told":"ok"},
    {"id":"b","told":"unknown"}],"there":["a"]})");
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(good->anomalies.empty());
  EXPECT_EQ(good->operations, 2U);
  EXPECT_EQ(good->unknown_share, 0.5);
  const auto lost = judge(R"({"workload":"lists","transactions":[{"steps":[
    {"append":true,"key":"x","item":1,"seen":[]}],"told":"ok","span":{"began":1,"ended":2}}],
    "last":{"x":[]},"isolation":"serializable","in_real_time":true})");
  ASSERT_TRUE(lost.ok()) << lost.error().for_people();
  ASSERT_EQ(lost->anomalies.size(), 1U);
  EXPECT_EQ(lost->anomalies.front().kind, "lost");
  const auto bank = judge(R"({"workload":"bank","opening":{"1":5},"transfers":[],"totals":[4],
    "balances":{"1":5},"ledger":[]})");
  ASSERT_TRUE(bank.ok()) << bank.error().for_people();
  EXPECT_EQ(bank->anomalies.front().kind, "torn");
  const auto echo =
      judge(R"({"workload":"echo","echoes":[{"token":"a","rows":1,"answers":{"b":1}}]})");
  ASSERT_TRUE(echo.ok()) << echo.error().for_people();
  EXPECT_EQ(echo->anomalies.front().kind, "foreign");
  const auto counter = judge(R"({"workload":"monotonic","counts":[{"by":1,"seen":1,"told":"ok",
    "span":{"began":1,"ended":2}}],"last":0})");
  ASSERT_TRUE(counter.ok()) << counter.error().for_people();
  EXPECT_EQ(counter->anomalies.front().kind, "lost");
  const auto registers = judge(R"({"workload":"registers","uses":[{"key":"x","kind":"read",
    "value":1,"told":"ok","span":{"began":1,"ended":2}}]})");
  ASSERT_TRUE(registers.ok()) << registers.error().for_people();
  ASSERT_EQ(registers->anomalies.size(), 1U);
  EXPECT_EQ(registers->anomalies.front().kind, "order");
}

TEST(History, WhatIsNoneIsRefusedWithItsPlace) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"workload":"dance"})", R"({"workload":"set"})",
        R"({"workload":"set","additions":[{"id":1,"told":"ok"}],"there":[]})",
        R"({"workload":"set","additions":[{"id":"a","told":"yes"}],"there":[]})"}) {
    const auto judged = judge(text);
    ASSERT_FALSE(judged.ok()) << text;
    EXPECT_EQ(judged.error().code(), ErrorCode::data_invalid) << text;
    EXPECT_NE(judged.error().detail().find("history"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace evergres::checks
