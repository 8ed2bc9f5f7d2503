#include "supervisor/protocol.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace evergres::supervisor {
namespace {

std::string round_trip(const std::string& line) {
  const auto object = parse_line(line);
  if (!object) return object.error().message();
  const auto request = request_from_json(*object);
  return request ? boost::json::serialize(to_json(*request)) : request.error().detail();
}

TEST(Protocol, RequestsSurviveARoundTrip) {
  for (const char* line :
       {R"({"verb":"status"})", R"({"verb":"start","arguments":["-c","port=15432"]})",
        R"({"verb":"stop","mode":"fast","deadline_ms":1000})", R"({"verb":"reload"})",
        R"({"verb":"grant","kind":"promote","term":12,"asked_at":5,"length_ms":5000,"start_id":3})",
        R"({"verb":"revoke"})", R"({"verb":"alive"})", R"({"verb":"subscribe"})",
        R"({"verb":"reload-proxy"})"}) {
    EXPECT_EQ(round_trip(line), line);
  }
}

TEST(Protocol, NonsenseIsRefusedWithAReason) {
  EXPECT_EQ(round_trip("[]"), "the line is not one JSON object");
  EXPECT_EQ(round_trip("{\"verb\":"), "the line is not one JSON object");
  EXPECT_EQ(round_trip(std::string(longest_line + 1, ' ')), "the line is not one JSON object");
  EXPECT_EQ(round_trip(R"({"a":[[[[[[[[[[1]]]]]]]]]]})"), "the line is not one JSON object");
  EXPECT_EQ(round_trip("{}"), "The member \"verb\" must be a string.");
  EXPECT_EQ(round_trip(R"({"verb":"fly"})"), "The member \"verb\" is none of the known verbs.");
  EXPECT_EQ(round_trip(R"({"verb":"stop","mode":"smart"})"),
            "The member \"mode\" is none of the known words.");
  EXPECT_EQ(round_trip(R"({"verb":"stop","mode":"fast","deadline_ms":-1})"),
            "The member \"deadline_ms\" must be an integer from 0 to 86400000.");
  EXPECT_EQ(round_trip(R"({"verb":"grant","kind":"lead","term":-1,"asked_at":5,"length_ms":1})"),
            "The member \"term\" must be an integer from 0 to 9223372036854775807.");
}

TEST(Protocol, ArgumentsThatLeaveTheDataDirectoryAreRefused) {
  for (const char* argument : {"-D", "-D/tmp/x", "--single", "data_directory=/tmp/x",
                               "--data-directory=/tmp/x", "-C", "--boot", "a\\u0000b"}) {
    const std::string line = std::string(R"({"verb":"start","arguments":[")") + argument + "\"]}";
    EXPECT_EQ(round_trip(line), "The member \"arguments\" holds one that is not allowed.") << line;
  }
  const std::string forget = R"({"verb":"start","arguments":[],"forget":["0000000B.history"]})";
  EXPECT_EQ(round_trip(forget), forget);
  for (const char* name : {"", "../0000000B.history", "PG_VERSION", "0000000B.history.ready"}) {
    const std::string line =
        std::string(R"({"verb":"start","arguments":[],"forget":[")") + name + "\"]}";
    EXPECT_EQ(round_trip(line),
              "The member \"forget\" names something else than timeline histories.")
        << line;
  }
}

TEST(Protocol, StatusSurvivesARoundTrip) {
  Status status;
  status.supervisor_run = "ab12";
  status.start_id = 4;
  status.state = State::stopping;
  status.postmaster_pid = 77;
  status.exit = Exit{"signal 9", false};
  status.grant = Grant{GrantKind::lead, Term{18'000'000'000'000'000'000U}, Instant{123}};
  status.last_stop_reason = "asked to stop";
  status.agent_pid = 78;
  status.agent_restarts = 2;
  status.proxy_pid = 79;
  status.proxy_restarts = 3;
  status.guards = {"subreaper"};
  const auto line = parse_line(boost::json::serialize(ok_reply(1, to_json(status))));
  ASSERT_TRUE(line.ok());
  const auto read = status_from_json(*line);
  ASSERT_TRUE(read.ok()) << read.error().one_line();
  EXPECT_EQ(*read, status);

  const auto empty = status_from_json(to_json(Status()));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, Status());
  EXPECT_FALSE(status_from_json({}).ok());
}

TEST(Protocol, AnErrorSurvivesARoundTrip) {
  const Error error(ErrorCode::refused, "no", "Because.", "Do so.");
  const auto outcome = outcome_of_reply(error_reply(7, error));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::refused);
  EXPECT_EQ(outcome.error().for_people(), error.for_people());
  EXPECT_FALSE(outcome_of_reply({}).ok());
}

}  // namespace
}  // namespace evergres::supervisor
