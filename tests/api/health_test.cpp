#include <functional>

#include "api/health.hpp"
#include "api/node.hpp"

namespace evergres::api::test {
namespace {

using agent::View;

unsigned status(const View& view, const std::string& target) {
  return ask(view, target).status;
}

struct Row {
  const char* target;
  unsigned leader;
  unsigned standby;  ///< a voter of two, of which one acknowledges; it streams, 2 MB behind
};

class HealthOfAHealthyCluster : public testing::TestWithParam<Row> {};

TEST_P(HealthOfAHealthyCluster, IsWhatPatroniSays) {
  const Row& row = GetParam();
  EXPECT_EQ(status(leader(), row.target), row.leader) << row.target << " of the leader";
  EXPECT_EQ(status(standby(), row.target), row.standby) << row.target << " of a standby";
  for (const char* method : {"HEAD", "OPTIONS"}) {
    EXPECT_EQ(ask(leader(), row.target, method).status, row.leader) << method << row.target;
    EXPECT_EQ(ask(standby(), row.target, method).status, row.standby) << method << row.target;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, HealthOfAHealthyCluster,
    testing::Values(Row{"/", 200, 503}, Row{"/primary", 200, 503}, Row{"/primary/", 200, 503},
                    Row{"/read-write", 200, 503}, Row{"/master", 200, 503},
                    Row{"/leader", 200, 503}, Row{"/?tag_x=y", 200, 503},
                    Row{"/primary?lag=nonsense", 200, 503}, Row{"/standby-leader", 503, 503},
                    Row{"/standby_leader", 503, 503}, Row{"/replica", 503, 200},
                    Row{"/replica?lag=2097152", 503, 200}, Row{"/replica?lag=2097151", 503, 503},
                    Row{"/replica?lag=2MB", 503, 200}, Row{"/replica?lag=2mb", 503, 200},
                    Row{"/replica?lag=2+MB", 503, 200}, Row{"/replica?lag=2%4DB", 503, 200},
                    Row{"/replica?lag=2047kB", 503, 503}, Row{"/replica?lag=1GB", 503, 200},
                    Row{"/replica?lag=0", 503, 503}, Row{"/replica?lag=", 503, 200},
                    Row{"/replica?lag=1GB&lag=0", 503, 200},
                    Row{"/replica?replication_state=streaming", 503, 200},
                    Row{"/replica?replication_state=in+archive+recovery", 503, 503},
                    Row{"/replica?tag_zone=a", 503, 503}, Row{"/replica?other=1", 503, 200},
                    Row{"/read-only", 200, 200}, Row{"/read-only?lag=1MB", 200, 503},
                    Row{"/read-only?tag_zone=a", 503, 503}, Row{"/sync", 503, 503},
                    Row{"/synchronous", 503, 503}, Row{"/read-only-sync", 200, 503},
                    Row{"/read-only-synchronous", 200, 503}, Row{"/quorum", 503, 200},
                    Row{"/quorum?lag=1MB", 503, 503}, Row{"/read-only-quorum", 200, 200},
                    Row{"/async", 503, 503}, Row{"/asynchronous", 503, 503},
                    Row{"/health", 200, 200}, Row{"/liveness", 200, 200},
                    Row{"/readiness", 200, 503}, Row{"/readiness?lag=10MB", 200, 200},
                    Row{"/readiness?mode=write", 200, 200}, Row{"/readiness?mode=apply", 200, 503},
                    Row{"/readiness?mode=write&lag=0", 200, 200}, Row{"/patroni", 200, 200},
                    Row{"/cluster", 200, 200}, Row{"/history", 200, 200}, Row{"/config", 200, 200},
                    Row{"/metrics", 200, 200}, Row{"/nonsense", 404, 404},
                    Row{"/primaryx", 404, 404}, Row{"", 404, 404}, Row{"*", 404, 404},
                    Row{"http://n1:8008/primary", 200, 503}, Row{"/primary#x", 200, 503}));

/// Each of these alone takes the leader's 200 away, for every question about leadership.
struct Doubt {
  const char* name;
  std::function<void(View&)> change;
};

TEST(Health, APrimaryIsOneOnlyWhileNothingIsInDoubt) {
  const std::vector<Doubt> doubts{
      {"no grant", [](View& v) { v.server.grant.reset(); }},
      {"the grant ends now", [](View& v) { v.server.grant->deadline = v.now; }},
      {"the grant has run out", [](View& v) { v.server.grant->deadline = v.now - Millis{1}; }},
      {"the grant is for a promotion",
       [](View& v) { v.server.grant->kind = core::GrantKind::promote; }},
      {"the grant is of an older term", [](View& v) { v.server.grant->term = Term{6}; }},
      {"the record names another", [](View& v) { v.named_leader = false; }},
      {"the record is not known",
       [](View& v) {
         v.record_known = v.named_leader = v.leader_is_open = false;
         v.cluster.term = 0;
       }},
      {"the gate is closed", [](View& v) { v.server.gate_open = false; }},
      {"the server is a standby", [](View& v) { v.server.state = core::ServerState::standby; }},
      {"the server does not answer", [](View& v) { v.server.state = core::ServerState::unknown; }},
      {"the server is stopping", [](View& v) { v.server.state = core::ServerState::stopping; }},
      {"an older agent of this name lives", [](View& v) { v.yields = true; }},
  };
  for (const Doubt& doubt : doubts) {
    View view = leader();
    doubt.change(view);
    for (const char* target : {"/", "/primary", "/read-write", "/master", "/leader"}) {
      EXPECT_EQ(status(view, target), 503U) << target << ": " << doubt.name;
      EXPECT_EQ(ask(view, target, "OPTIONS").status, 503U) << target << ": " << doubt.name;
    }
    const bool is_standby = view.server.state == core::ServerState::standby;
    EXPECT_EQ(status(view, "/read-only"), is_standby ? 200U : 503U) << doubt.name;
    EXPECT_EQ(status(view, "/read-only-sync"), 503U) << doubt.name;
    EXPECT_EQ(status(view, "/readiness"), 503U) << doubt.name;
  }
  EXPECT_EQ(status(View{}, "/primary"), 503U) << "an agent that knows nothing yet";
}

TEST(Health, AReplicaMustServeReaders) {
  const std::vector<Doubt> doubts{
      {"it is stopped", [](View& v) { v.server.state = core::ServerState::stopped; }},
      {"it answers no SQL", [](View& v) { v.server.cold = true; }},
      {"its gate is closed", [](View& v) { v.server.gate_open = false; }},
      {"it is not to be balanced", [](View& v) { v.tags["noloadbalance"] = "true"; }},
      {"an older agent of this name lives", [](View& v) { v.yields = true; }},
  };
  for (const Doubt& doubt : doubts) {
    View view = standby();
    doubt.change(view);
    for (const char* target : {"/replica", "/read-only", "/quorum", "/read-only-quorum"}) {
      EXPECT_EQ(status(view, target), 503U) << target << ": " << doubt.name;
    }
  }
  EXPECT_EQ(status(View{}, "/replica"), 503U);
}

TEST(Health, AnUnknownLagIsNotASmallOne) {
  View view = standby();
  view.leader_end.reset();
  EXPECT_EQ(status(view, "/replica"), 200U);
  EXPECT_EQ(status(view, "/replica?lag=1TB"), 503U);
  EXPECT_EQ(status(view, "/readiness?lag=1TB"), 503U);
  view = standby();
  view.server.replay.reset();
  EXPECT_EQ(status(view, "/replica?lag=1TB"), 503U);
}

TEST(Health, ReadinessNeedsAStream) {
  View view = standby();
  EXPECT_EQ(status(view, "/readiness?lag=1TB"), 200U);
  view.server.receiving = false;
  EXPECT_EQ(status(view, "/readiness?lag=1TB"), 503U);
  EXPECT_EQ(status(view, "/replica?replication_state=streaming"), 503U);
  EXPECT_EQ(status(view, "/replica"), 200U);
}

TEST(Health, AVoterThatEveryCommitWaitsForIsSynchronous) {
  View view = standby();
  view.cluster.voters = {"n2"};
  for (const char* target : {"/sync", "/read-only-sync", "/quorum"}) {
    EXPECT_EQ(status(view, target), 200U) << target;
  }
  view.cluster.unproven = 1;
  EXPECT_EQ(status(view, "/sync"), 503U) << "a policy is not proven";
  EXPECT_EQ(status(view, "/quorum"), 200U);
  view.cluster.unproven = 0;
  view.cluster.voters = {"n3"};
  EXPECT_EQ(status(view, "/sync"), 503U);
  EXPECT_EQ(status(view, "/quorum"), 503U);
  EXPECT_EQ(status(view, "/async"), 200U);
}

TEST(Health, WhoVotesIsNotSaidFromAnOldRecord) {
  View view = standby();
  view.server.receiving = false;
  view.store_age = Millis{10'000};
  EXPECT_EQ(status(view, "/quorum"), 200U);
  view.store_age = Millis{10'001};
  EXPECT_EQ(status(view, "/quorum"), 503U);
  view.cluster.voters.clear();
  EXPECT_EQ(status(view, "/async"), 503U);
}

TEST(Health, TagsMustMatch) {
  View view = standby();
  view.tags["zone"] = "a";
  EXPECT_EQ(status(view, "/replica?tag_zone=a"), 200U);
  EXPECT_EQ(status(view, "/replica?tag_zone=b"), 503U);
  EXPECT_EQ(status(view, "/health?tag_zone=b"), 503U);
}

TEST(Health, LivenessIsTheControlLoop) {
  View view = leader();
  view.loop_age = Millis{5000};
  EXPECT_EQ(status(view, "/liveness"), 200U);
  view.loop_age = Millis{5001};
  EXPECT_EQ(status(view, "/liveness"), 503U);
  view.paused = true;
  EXPECT_EQ(status(view, "/liveness"), 200U);
  view = standby();
  view.loop_age = Millis{10'000};
  EXPECT_EQ(status(view, "/liveness"), 200U);
  view.loop_age = Millis{10'001};
  EXPECT_EQ(status(view, "/liveness"), 503U);
}

struct Bad {
  const char* target;
  const char* message;
};

TEST(Health, BadValuesAreSaid) {
  const std::vector<Bad> cases{
      {"/replica?lag=many", R"(\"many\" is no value for lag)"},
      {"/replica?lag=-1", R"(\"-1\" is no value for lag)"},
      {"/replica?lag=10XB", R"(\"10XB\" is no value for lag)"},
      {"/replica?lag=1.5MB", R"(\"1.5MB\" is no value for lag)"},
      {"/replica?lag=99999999999999999999", R"(\"99999999999999999999\" is no value for lag)"},
      {"/replica?lag=99999999TB", R"(\"99999999TB\" is no value for lag)"},
      {"/read-only?lag=x", R"(\"x\" is no value for lag)"},
      {"/async?lag=x", R"(\"x\" is no value for lag)"},
      {"/replica?replication_state=good", R"(\"good\" is no value for replication_state)"},
      {"/readiness?mode=read", R"(\"read\" is no value for mode)"},
      {"/readiness?lag=x", R"(\"x\" is no value for lag)"},
  };
  for (const Bad& bad : cases) {
    for (const View& view : {leader(), standby(), View{}}) {
      const auto answer = ask(view, bad.target);
      EXPECT_EQ(answer.status, 400U) << bad.target;
      EXPECT_NE(answer.body.find(bad.message), std::string::npos) << answer.body;
    }
  }
}

}  // namespace
}  // namespace evergres::api::test
