#include "api/change.hpp"

#include <boost/json.hpp>

#include "api/documents.hpp"
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
      {R"({"leader": "n1", "candidate": "n2\nforged log line"})", "412 candidate does not exists"}};
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
  view.pending_restart = {{"max_connections", "100", "150"}};
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
  for (const auto& [body, verb] :
       {std::pair{R"({"pause": true})", "pause"}, std::pair{R"({"pause": false})", "resume"},
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

/// The settings that the agent is asked to write, as YAML, and what they replace; or the refusal.
std::string settings_asked(const View& view, const std::string& body,
                           const std::string& method = "PATCH") {
  const auto one = wish(view, "/config", body, method);
  if (const auto* const answer = std::get_if<net::HttpAnswer>(&one)) {
    if (answer->status == 200) return "unchanged";
    return refused(view, "/config", body, method);
  }
  const auto& request = std::get<Change>(one).request;
  EXPECT_EQ(request.at("verb"), "edit cluster settings");
  const std::string text(std::string_view(request.at("text").as_string()));
  return json::serialize(request.at("expected")) + "\n" + text;
}

View with_settings() {
  auto spec = std::make_shared<cluster::Spec>();
  spec->generation = 7;
  spec->settings.durability = "strict";
  spec->settings.parameters = {{"work_mem", "8MB"}, {"my.password", "hidden"}};
  spec->settings.allow = {config::Allow{.address = "10.0.0.0/8"}};
  View view = standby();
  view.cluster_settings = spec;
  return view;
}

TEST(Change, SettingsArePatchedInPatronisNamesAndInOurs) {
  EXPECT_EQ(settings_asked(standby(), R"({"postgresql": {"parameters": {"work_mem": "8MB",
                "max_connections": 200, "hot_standby_feedback": true}}})"),
            "0\npostgresql:\n  parameters:\n    hot_standby_feedback: 'on'\n"
            "    max_connections: '200'\n    work_mem: '8MB'\n");
  EXPECT_EQ(settings_asked(standby(), R"({"synchronous_mode": true, "synchronous_mode_strict": true,
                                          "synchronous_node_count": 2})"),
            "0\ndurability: strict\nacknowledgements: 2\n");
  EXPECT_EQ(settings_asked(standby(), R"({"acknowledgements": 1})"), "0\nacknowledgements: 1\n");
  EXPECT_EQ(settings_asked(standby(), R"({"synchronous_mode": false, "max_loss": "16MB"})"),
            "0\ndurability: async\nmax_loss: 16MB\n");
  const View view = with_settings();
  const std::string rest =
      "postgresql:\n  parameters:\n    my.password: 'hidden'\n    work_mem: '8MB'\nallow:\n"
      "  - address: '10.0.0.0/8'\n    database: 'all'\n    user: 'all'\n";
  EXPECT_EQ(settings_asked(view, R"({"synchronous_mode_strict": false})"),
            "7\ndurability: quorum\n" + rest);
  EXPECT_EQ(settings_asked(view, R"({"synchronous_mode": null})"), "7\n" + rest);
  EXPECT_EQ(settings_asked(view, R"({"postgresql": {"parameters": {"work_mem": null}},
                                     "allow": null})"),
            "7\ndurability: strict\npostgresql:\n  parameters:\n    my.password: 'hidden'\n");
  EXPECT_EQ(settings_asked(view, R"({"postgresql": {"parameters": {"work_mem": "8MB"}}})"),
            "unchanged");
}

TEST(Change, SlotsAreMergedAsPatroniMergesThem) {
  const std::string archive = "slots:\n  'archive':\n    type: physical\n";
  const std::string cdc =
      "  'cdc':\n    type: logical\n    database: 'app'\n    plugin: 'wal2json'\n";
  EXPECT_EQ(settings_asked(standby(), R"({"slots": {"archive": {"type": "physical"}}})"),
            "0\n" + archive);
  auto spec = std::make_shared<cluster::Spec>();
  spec->generation = 3;
  spec->settings.slots = {{"archive", {}}, {"cdc", {true, "app", "wal2json"}}};
  View view = standby();
  view.cluster_settings = spec;
  EXPECT_EQ(settings_asked(view, R"({"slots": {"cdc": null}})"), "3\n" + archive);
  EXPECT_EQ(settings_asked(view, R"({"slots": null})"), "3\n");
  EXPECT_EQ(settings_asked(view, R"({"acknowledgements": 1})"),
            "3\nacknowledgements: 1\n" + archive + cdc);
  const json::value shown = config_document(view).value();
  EXPECT_EQ(json::serialize(shown.at("slots")),
            R"({"archive":{"type":"physical"},"cdc":{"type":"logical","database":"app",)"
            R"("plugin":"wal2json"}})");
  EXPECT_NE(settings_asked(view, json::serialize(shown), "PUT").find(archive + cdc),
            std::string::npos);
  EXPECT_EQ(settings_asked(view, R"({"slots": {"a": {"type": "logical"}}})"),
            "400 -s slots: slots.a is logical and names no database");
  EXPECT_EQ(settings_asked(view, R"({"slots": {"a=b": {"type": "physical"}}})"),
            "400 -s slots: \"a=b\" cannot be the name of a slot");
  EXPECT_EQ(settings_asked(view, R"({"slots": ["a"]})"), "400 \"slots\" is no object");
}

// Whoever reads /config, edits it and sends it back takes away nothing that it did not show.
TEST(Change, WhatConfigShowsCanBePutBack) {
  View view = with_settings();
  net::HttpRequest get;
  get.target = "/config";
  json::value document = config_document(view).value();
  const std::string before = settings_asked(view, json::serialize(document), "PUT");
  EXPECT_EQ(before,
            "7\ndurability: quorum\nacknowledgements: 1\npostgresql:\n  parameters:\n"
            "    my.password: 'hidden'\n    work_mem: '8MB'\nallow:\n  - address: '10.0.0.0/8'\n   "
            " database: 'all'\n    user: 'all'\n");
  document.at("postgresql").at("parameters") = json::object{{"jit", "off"}};
  EXPECT_NE(settings_asked(view, json::serialize(document), "PUT")
                .find("    jit: 'off'\n    my.password: 'hidden'\nallow"),
            std::string::npos);
  EXPECT_EQ(settings_asked(view, "{}", "PUT"),
            "7\npostgresql:\n  parameters:\n    my.password: 'hidden'\nallow:\n"
            "  - address: '10.0.0.0/8'\n    database: 'all'\n    user: 'all'\n");
  document.at("evergres").at("suspect_after_ms") = 1;
  EXPECT_EQ(settings_asked(view, json::serialize(document), "PUT"),
            "400 \"evergres\" is not changed here");
}

TEST(Change, SettingsThatCannotBeAreRefused) {
  const auto said = [](const char* body) { return settings_asked(leader(), body); };
  EXPECT_EQ(said(R"({"ttl": 20})"), "400 the body has an unknown member");
  EXPECT_EQ(said(R"({"pause": true, "acknowledgements": 1})"),
            "400 \"pause\" is changed by a request of its own");
  EXPECT_EQ(said(R"({"pause": 1})"), "400 \"pause\" is neither true nor false");
  EXPECT_EQ(said("{"), "400 the body is no JSON");
  EXPECT_EQ(said("{}"), "unchanged");
  EXPECT_EQ(said(R"({"synchronous_mode": 7})"),
            "400 \"synchronous_mode\" is neither true nor false");
  EXPECT_EQ(said(R"({"synchronous_node_count": -1})").substr(0, 3), "400");
  EXPECT_EQ(said(R"({"acknowledgements": "many"})").substr(0, 3), "400");
  EXPECT_EQ(said(R"({"allow": [{"address": "everywhere"}]})").substr(0, 3), "400");
  EXPECT_EQ(said(R"({"postgresql": {"pg_hba": []}})"),
            "400 \"postgresql.pg_hba\" is no setting of the cluster");
  EXPECT_EQ(said(R"({"postgresql": {"use_slots": false}})"),
            "400 \"use_slots\" cannot be switched off");
  EXPECT_EQ(said(R"({"postgresql": {"parameters": {"a=b": "c"}}})"), "400 \"a=b\" is no parameter");
  EXPECT_EQ(said(R"({"postgresql": {"parameters": {"work_mem": ["8MB"]}}})"),
            "400 the value of the parameter \"work_mem\" is no text, number or switch");
  EXPECT_EQ(said(R"({"postgresql": {"parameters": {"work_mem": "8MB\nport = 1"}}})").substr(0, 3),
            "400");
  View unreadable = leader();
  unreadable.cluster.settings_trouble = "half of it is missing";
  EXPECT_EQ(settings_asked(unreadable, R"({"acknowledgements": 1})"),
            "409 the settings in the store cannot be read");
}

TEST(Change, NothingElseCanBeChanged) {
  EXPECT_EQ(refused(leader(), "/switchover", "", "DELETE"), "404 no switchover is scheduled");
  EXPECT_EQ(refused(leader(), "/restart", "", "DELETE"), "404 no restarts are scheduled");
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
      {ErrorCode::refused, 412},   {ErrorCode::timed_out, 503},     {ErrorCode::store_locked, 503},
      {ErrorCode::conflict, 409},  {ErrorCode::usage, 400},         {ErrorCode::internal, 500},
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
