#include "cluster/json.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "cluster/status.hpp"
#include "core/record.hpp"

namespace sample {

struct Stop {
  static constexpr const char* kind = "stop";
  bool fast = false;
  bool operator==(const Stop&) const = default;
};
constexpr auto fields(const Stop*) {
  return std::tuple{evergres::Field{"fast", &Stop::fast}};
}
struct Rest {
  static constexpr const char* kind = "rest";
  bool operator==(const Rest&) const = default;
};
constexpr auto fields(const Rest*) {
  return std::tuple{};
}

struct Everything {
  bool truth = false;
  std::int8_t small = 0;
  std::uint64_t large = 0;
  std::int64_t negative = 0;
  double fraction = 0;
  std::string text;
  std::optional<int> maybe;
  std::map<evergres::NodeName, std::vector<int>> table;
  evergres::Lsn lsn;
  evergres::Instant at;
  evergres::Millis wait{0};
  evergres::Nanos span{0};
  evergres::core::Phase phase = evergres::core::Phase::vacant;
  std::variant<Rest, Stop> action;
  bool operator==(const Everything&) const = default;
};
constexpr auto fields(const Everything*) {
  using evergres::Field;
  return std::tuple{
      Field{"truth", &Everything::truth},       Field{"small", &Everything::small},
      Field{"large", &Everything::large},       Field{"negative", &Everything::negative},
      Field{"fraction", &Everything::fraction}, Field{"text", &Everything::text},
      Field{"maybe", &Everything::maybe},       Field{"table", &Everything::table},
      Field{"lsn", &Everything::lsn},           Field{"at", &Everything::at},
      Field{"wait", &Everything::wait},         Field{"span", &Everything::span},
      Field{"phase", &Everything::phase},       Field{"action", &Everything::action}};
}

}  // namespace sample

namespace evergres::cluster {
namespace {

sample::Everything full() {
  sample::Everything all;
  all.truth = true;
  all.small = -128;
  all.large = std::numeric_limits<std::uint64_t>::max();
  all.negative = std::numeric_limits<std::int64_t>::min();
  all.fraction = 0.25;
  all.text = "a \"quoted\"\nline";
  all.maybe = 7;
  all.table[NodeName("n1")] = {1, 2};
  all.lsn = Lsn{0x1200000034};
  all.at = Instant{123456789};
  all.wait = Millis{1500};
  all.span = Nanos{-5};
  all.phase = core::Phase::handover;
  all.action = sample::Stop{true};
  return all;
}

/// The detail of the error that replacing `from` by `to` in a good text gives.
std::string complaint(const std::string& from, const std::string& to) {
  std::string text = json_text(full());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  text.replace(at, from.size(), to);
  auto parsed = parse_json<sample::Everything>(text, 100'000, "all");
  if (parsed) return "no complaint";
  EXPECT_EQ(parsed.error().code(), ErrorCode::data_invalid);
  return parsed.error().detail();
}

TEST(Json, EverythingSurvivesTheRoundTripInTheOrderOfTheList) {
  const std::string text = json_text(full());
  EXPECT_EQ(text,
            R"({"truth":true,"small":-128,"large":18446744073709551615,)"
            R"("negative":-9223372036854775808,"fraction":2.5E-1,"text":"a \"quoted\"\nline",)"
            R"("maybe":7,"table":{"n1":[1,2]},"lsn":"12/34","at":123456789,"wait":1500,"span":-5,)"
            R"("phase":"handover","action":{"kind":"stop","fast":true}})");
  auto back = parse_json<sample::Everything>(text, 100'000);
  ASSERT_TRUE(back) << back.error().one_line();
  EXPECT_EQ(back.value(), full());
}

TEST(Json, AbsentAndNullOptionalsAreNothingAndUnknownMembersAreIgnored) {
  EXPECT_EQ(complaint(R"("maybe":7)", R"("maybe":null)"), "no complaint");
  EXPECT_EQ(complaint(R"("maybe":7,)", ""), "no complaint");
  EXPECT_EQ(complaint(R"("maybe":7)", R"("maybe":7,"newer":[{"x":1}])"), "no complaint");
}

TEST(Json, ComplaintsNameThePlace) {
  EXPECT_EQ(complaint(R"("truth":true,)", ""), "all.truth is missing.");
  EXPECT_EQ(complaint("-128", "-129"),
            "all.small is -129, which is outside of the range of its type.");
  EXPECT_EQ(complaint("-128", "1.5"), "all.small is a fraction, not a whole number.");
  EXPECT_EQ(complaint("18446744073709551615", "-1"),
            "all.large is -1, which is outside of the range of its type.");
  EXPECT_EQ(complaint("[1,2]", R"([1,"2"])"), "all.table.n1[1] is text, not a whole number.");
  EXPECT_EQ(complaint("true", "1"), "all.truth is a whole number, not true or false.");
  EXPECT_EQ(complaint("\"12/34\"", "\"1234\""),
            "all.lsn is \"1234\", which is not a WAL position.");
  EXPECT_EQ(complaint("handover", "dancing"),
            "all.phase is \"dancing\", but only these words are known: vacant, electing, handover, "
            "leading.");
  EXPECT_EQ(complaint("\"stop\"", "\"go\""),
            "all.action.kind is \"go\", but only these words are known: rest, stop.");
  EXPECT_EQ(complaint(R"(,"fast":true)", ""), "all.action.fast is missing.");
}

TEST(Json, ARecordNamesTheNestedPlace) {
  core::Record record;
  core::Policy policy;
  policy.voters = {core::Seat{NodeName("n1"), Incarnation("a")},
                   core::Seat{NodeName("n2"), Incarnation("b")}};
  record.policy.current = policy;
  auto value = to_json(record);
  value.as_object()["policy"]
      .as_object()["current"]
      .as_object()["voters"]
      .as_array()[1]
      .as_object()
      .erase("node");
  auto parsed = from_json<core::Record>(value, "record");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().detail(), "record.policy.current.voters[1].node is missing.");
  auto whole = parse_json<core::Record>(json_text(record), 1 << 20, "record");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole.value(), record);
}

TEST(Json, SizeAndDepthHaveLimits) {
  auto large = parse_json<std::string>("\"" + std::string(100, 'x') + "\"", 50, "note");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().detail(), "note has 102 bytes, but at most 50 are allowed.");
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_FALSE(parse_json<std::vector<int>>(deep, 100'000));
  EXPECT_FALSE(parse_json<std::vector<int>>("[1] tail", 100));
  EXPECT_FALSE(parse_json<std::vector<int>>("", 100));
}

TEST(Json, WhatIsNotUtf8IsWrittenReadably) {
  const std::string text = json_text(std::string("caf\xe9 \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80"));
  auto back = parse_json<std::string>(text, 1000);
  ASSERT_TRUE(back) << back.error().one_line();
  EXPECT_EQ(back.value().substr(0, 9), "caf\xEF\xBF\xBD \xc3\xa9");
  EXPECT_NE(back.value().find("\xf0\x9f\x98\x80"), std::string::npos);
}

TEST(Json, NumbersThatJsonDoesNotKnowBecomeNull) {
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(json_text(std::nan("")), "null");
  auto whole = parse_json<double>("3", 10);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole.value(), 3.0);
}

}  // namespace
}  // namespace evergres::cluster
