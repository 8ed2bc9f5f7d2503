#include "api/change.hpp"

#include <boost/json.hpp>

#include "api/node.hpp"
#include "core/intent.hpp"

namespace evergres::api::test {
namespace {

using agent::View;
namespace json = boost::json;

std::variant<Change, net::HttpAnswer> wish(const View& view, const std::string& path,
                                           const std::string& body,
                                           const std::string& method = "POST") {
  net::HttpRequest request;
  request.method = method;
  request.target = path;
  request.body = body;
  return change_of(request, view, "/etc/evergres/node.yaml");
}

/// What the agent is asked for, {} if nothing.
json::value asked(const View& view, const std::string& path, const std::string& body) {
  const auto one = wish(view, path, body);
  const auto* const change = std::get_if<Change>(&one);
  if (change == nullptr) ADD_FAILURE() << std::get<net::HttpAnswer>(one).body;
  return change == nullptr ? json::object() : change->request;
}

/// "412 leader name does not match", "" if it would be done.
std::string refused(const View& view, const std::string& path, const std::string& body,
                    const std::string& method = "POST") {
  const auto one = wish(view, path, body, method);
  const auto* const answer = std::get_if<net::HttpAnswer>(&one);
  if (answer == nullptr) return "";
  const auto message = json::parse(answer->body).at("error").at("message").as_string();
  return std::to_string(answer->status) + " " + std::string(message.data(), message.size());
}

TEST(Change, ASwitchoverIsWhatTheCommandLineAsksFor) {
  EXPECT_EQ(asked(standby(), "/switchover", R"({"leader": "n1", "candidate": "n2"})"),
            json::parse(R"({"verb": "switchover", "to": "n2"})"));
  EXPECT_EQ(asked(standby(), "/switchover/", R"({"leader": "n1", "scheduled_at": null})"),
            json::parse(R"({"verb": "switchover"})"));
  EXPECT_EQ(asked(standby(), "/switchover", R"({"leader": "n1", "member": "n3"})"),
            json::parse(R"({"verb": "switchover", "to": "n3"})"));
}

TEST(Change, ASwitchoverThatDoesNotFitIsRefusedInPatronisWords) {
  const View view = leader();
  const auto said = [&](const char* body) { return refused(view, "/switchover", body); };
  EXPECT_EQ(said("{}"), "400 Switchover could be performed only from a specific leader");
  EXPECT_EQ(said(R"({"leader": "n1", "candidate": "n1"})"),
            "400 Switchover target and source are the same");
  EXPECT_EQ(said(R"({"leader": "n2", "candidate": "n3"})"), "412 leader name does not match");
  EXPECT_EQ(said(R"({"leader": "n1", "candidate": "n9"})"), "412 candidate does not exists");
  EXPECT_EQ(said(R"({"leader": "n1", "scheduled_at": "2030-01-01T00:00+00"})"),
            "400 nothing can be scheduled");
  View paused = leader();
  paused.paused = true;
  EXPECT_EQ(refused(paused, "/switchover", R"({"leader": "n1"})"),
            "400 Switchover is possible only to a specific candidate in a paused state");
  View busy = leader();
  busy.cluster.request = "restart to n3";
  EXPECT_EQ(refused(busy, "/switchover", R"({"leader": "n1"})"),
            "409 another request is still pending");
}

TEST(Change, AFailoverNeedsACandidateAndFromALeaderItIsASwitchover) {
  EXPECT_EQ(refused(leader(), "/failover", R"({"leader": "n1"})"),
            "400 Failover could be performed only to a specific candidate");
  EXPECT_EQ(asked(leader(), "/failover", R"({"candidate": "n2"})"),
            json::parse(R"({"verb": "failover", "to": "n2"})"));
  EXPECT_EQ(asked(leader(), "/failover", R"({"leader": "n1", "candidate": "n2"})"),
            json::parse(R"({"verb": "switchover", "to": "n2"})"));
  EXPECT_EQ(refused(leader(), "/failover", R"({"candidate": "n2", "accept_data_loss": true})"),
            "400 the body has an unknown member")
      << "commits are given up on the command line only";
}

TEST(Change, BodiesOfStrangersAreRefused) {
  const std::string deep(100, '[');
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "400 the body is no JSON"},
      {"{", "400 the body is no JSON"},
      {R"({"leader": "n1"} x)", "400 the body is no JSON"},
      {"{\"leader\": \"\xff\"}", "400 the body is no JSON"},
      {deep, "400 the body is no JSON"},
      {"[]", "400 the body is no JSON object"},
      {"null", "400 the body is no JSON object"},
      {R"({"leader": 1})", "400 \"leader\" is no text"},
      {R"({"leader": "n1", "candiate": "n2"})", "400 the body has an unknown member"},
      {R"({"leader": "n1", "candidate": "n2\nforged log line"})",
       "412 candidate does not exists"}};
  for (const auto& [body, answer] : cases) {
    EXPECT_EQ(refused(leader(), "/switchover", body), answer) << body;
  }
}

TEST(Change, ARestartMeansThisNodeIfItIsOfTheKindThatIsMeant) {
  const json::value request = json::parse(R"({"verb": "restart", "node": "n2"})");
  View view = standby();
  for (const char* body : {"", "{}", R"({"role": "replica"})", R"({"restart_pending": false})",
                           R"({"postgres_version": "15.15"})"}) {
    EXPECT_EQ(asked(view, "/restart", body), request) << body;
  }
  for (const char* body : {R"({"role": "primary"})", R"({"restart_pending": true})",
                           R"({"postgres_version": "15.14"})"}) {
    EXPECT_EQ(refused(view, "/restart", body), "503 restart conditions are not satisfied") << body;
  }
  view.details->pending_restart = {{"max_connections", "100", "150"}};
  EXPECT_EQ(asked(view, "/restart", R"({"restart_pending": true})"), request);
  EXPECT_EQ(asked(leader(), "/restart", R"({"role": "primary"})"),
            json::parse(R"({"verb": "restart", "node": "n1"})"));
  EXPECT_EQ(refused(view, "/restart", R"({"role": "chief"})"),
            "400 PostgreSQL role should be either primary, standby_leader, or replica");
  EXPECT_EQ(refused(view, "/restart", R"({"postgres_version": "x"})"),
            "400 \"postgres_version\" is no version");
  EXPECT_EQ(refused(view, "/restart", R"({"restart_pending": "yes"})"),
            "400 \"restart_pending\" is neither true nor false");
  EXPECT_EQ(refused(view, "/restart", R"({"schedule": "2030-01-01T00:00+00"})"),
            "400 nothing can be scheduled");
  EXPECT_EQ(refused(view, "/restart", R"({"timeout": 10})"), "400 a restart takes no \"timeout\"");
}

TEST(Change, ReloadAndReinitialize) {
  EXPECT_EQ(asked(leader(), "/reload", ""),
            json::parse(R"({"verb": "reload", "config_file": "/etc/evergres/node.yaml"})"));
  EXPECT_EQ(asked(standby(), "/reinitialize", R"({"force": false, "from-leader": true})"),
            json::parse(R"({"verb": "reinit", "node": "n2", "wait": false})"));
  EXPECT_EQ(refused(leader(), "/reinitialize", ""), "503 I am the leader, can not reinitialize");
  EXPECT_EQ(refused(standby(), "/reinitialize", R"({"force": 1})"),
            "400 \"force\" is neither true nor false");
  View busy = standby();
  busy.operation = core::Clone::kind;
  EXPECT_EQ(refused(busy, "/reinitialize", ""), "503 reinitialize already in progress");
}

TEST(Change, APauseIsPatchedAsPatronictlDoes) {
  for (const auto& [body, verb] : {std::pair{R"({"pause": true})", "pause"},
                                   std::pair{R"({"pause": false})", "resume"},
                                   std::pair{R"({"pause": null})", "resume"}}) {
    const auto one = wish(leader(), "/config", body, "PATCH");
    ASSERT_TRUE(std::holds_alternative<Change>(one)) << body;
    const auto& change = std::get<Change>(one);
    EXPECT_EQ(change.request.at("verb"), verb);
    View after = leader();
    after.paused = true;
    const auto answer = answer_of(change, json::value(json::object()), after);
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(json::parse(answer.body).at("pause"), true);
  }
}

TEST(Change, NothingElseCanBeChanged) {
  EXPECT_EQ(refused(leader(), "/switchover", "", "DELETE"), "404 no switchover is scheduled");
  EXPECT_EQ(refused(leader(), "/restart", "", "DELETE"), "404 no restarts are scheduled");
  for (const char* body : {"{}", R"({"ttl": 20})", R"({"pause": true, "ttl": 20})"}) {
    EXPECT_EQ(refused(leader(), "/config", body, "PATCH"),
              "501 only \"pause\" can be changed here");
  }
  EXPECT_EQ(refused(leader(), "/config", R"({"pause": 1})", "PATCH"),
            "400 \"pause\" is neither true nor false");
  EXPECT_EQ(refused(leader(), "/config", "{", "PATCH"), "400 the body is no JSON");
  EXPECT_EQ(refused(leader(), "/config", "{}", "PUT"), "501 this path does not know that method");
  EXPECT_EQ(refused(leader(), "/primary", ""), "404 there is nothing to change at this path");
  EXPECT_EQ(refused(leader(), "/reload", "", "BREW"), "501 this path does not know that method");
  EXPECT_EQ(refused(leader(), "/restart", "", "PUT"), "501 this path does not know that method");
}

TEST(Change, WhatBecameOfItIsTold) {
  const auto switchover = wish(leader(), "/switchover", R"({"leader": "n1"})");
  const auto& change = std::get<Change>(switchover);
  View after = standby();
  after.cluster.leader = "n2";
  auto done = answer_of(change, json::value(json::object()), after);
  EXPECT_EQ(done.status, 200U);
  EXPECT_EQ(done.body, "Successfully switched over to \"n2\"");
  const std::vector<std::pair<ErrorCode, unsigned>> codes{
      {ErrorCode::refused, 412},   {ErrorCode::timed_out, 503}, {ErrorCode::store_locked, 503},
      {ErrorCode::conflict, 409},  {ErrorCode::usage, 400},     {ErrorCode::internal, 500},
      {ErrorCode::not_found, 503}, {ErrorCode::config_invalid, 409}};
  for (const auto& [code, status] : codes) {
    const auto answer = answer_of(change, Error(code, "no", "Because.", "Do."), after);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(json::parse(answer.body).at("error").at("detail"), "Because.");
  }
  const auto restart = wish(standby(), "/restart", "");
  const Error refusal(ErrorCode::refused, "no");
  EXPECT_EQ(answer_of(std::get<Change>(restart), refusal, after).status, 503U);
  done = answer_of(std::get<Change>(wish(leader(), "/reload", "")), json::value(), after);
  EXPECT_EQ(done.status, 202U);
  EXPECT_EQ(done.body, "reload scheduled");
}

}  // namespace
}  // namespace evergres::api::test
