#include "agent/knowledge.hpp"
#include "agent/learning.hpp"

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

class KnowledgeTest : public Place {
 protected:
  KnowledgeTest() {
    know_.situation.me = NodeName{"n1"};
    know_.situation.agent = Claim{"mine"};
  }
  static core::Record claimed_by(const char* claim) {
    return *core::claim_term(fresh_record(), NodeName{"n1"}, Claim{claim}, "a test");
  }
  Knowledge know_;
};

TEST_F(KnowledgeTest, AnOlderRecordIsIgnored) {
  learn_record(know_, claimed_by("other"), Revision{9}, Instant{1});
  learn_record(know_, fresh_record(), Revision{8}, Instant{2});
  learn_record(know_, fresh_record(), Revision{9}, Instant{2});
  EXPECT_EQ(know_.situation.record->term, Term{1});
  EXPECT_EQ(know_.situation.revision, Revision{9});
}

// A peer of an older version drops what it does not know: a claim on what it told would be refused
// for ever, since the store has another record.
TEST_F(KnowledgeTest, AtOneRevisionTheStoreIsBelievedBeforeAPeer) {
  core::Record stored = claimed_by("other");
  stored.request = core::Request{"r1", {}, NodeName{"n2"}, false, 0};
  core::Record told = stored;
  told.request.reset();
  learn_record(know_, told, Revision{9}, Instant{1});
  learn_stored_record(know_, stored, Revision{9}, Instant{2});
  EXPECT_EQ(know_.situation.record, stored);
  learn_record(know_, told, Revision{9}, Instant{3});
  EXPECT_EQ(know_.situation.record, stored) << "and a peer changes nothing of it";
  learn_stored_record(know_, told, Revision{8}, Instant{4});
  EXPECT_EQ(know_.situation.record, stored) << "an older reading neither";
}

TEST_F(KnowledgeTest, AStoreWithAnotherHistoryIsNotTakenForTheSameRecord) {
  core::Record known = claimed_by("other");
  learn_record(know_, known, Revision{9}, Instant{1});
  core::Record lost = fresh_record();
  learn_stored_record(know_, lost, Revision{9}, Instant{2});
  EXPECT_EQ(know_.situation.record, known);
}

TEST_F(KnowledgeTest, ANewTermWithOurClaimIsOursAlsoIfTheReplyWasLost) {
  learn_record(know_, fresh_record(), Revision{1}, Instant{1});
  learn_record(know_, claimed_by("mine"), Revision{2}, Instant{5});
  EXPECT_EQ(know_.situation.claimed_at, Instant{5});
  EXPECT_EQ(know_.situation.recent_terms, 1U);
}

TEST_F(KnowledgeTest, ANewTermOfSomebodyElseIsNotOurs) {
  know_.situation.claimed_at = Instant{1};
  learn_record(know_, fresh_record(), Revision{1}, Instant{1});
  learn_record(know_, claimed_by("other"), Revision{2}, Instant{5});
  EXPECT_FALSE(know_.situation.claimed_at);
}

TEST_F(KnowledgeTest, AFenceIsAnAnswerOnlyForTheTermOfThePromise) {
  core::Fenced fenced;
  fenced.term = Term{4};
  know_.situation.fenced = fenced;
  know_.situation.promise = core::Promise{Term{4}, Claim{"aa"}};
  EXPECT_TRUE(heartbeat_of(know_).fenced);
  know_.situation.promise.term = Term{5};
  EXPECT_FALSE(heartbeat_of(know_).fenced);
}

// An election cuts the voters' receivers: what an orderly stop still sends would not arrive.
TEST_F(KnowledgeTest, ALeaderThatStopsInOrderDoesNotCallForAnElectionBeforeItsEnd) {
  core::Record record = fresh_record();
  record.phase = core::Phase::leading;
  record.leader = core::Seat{NodeName{"n1"}, Incarnation{"i1"}};
  know_.situation.server.incarnation = Incarnation{"i1"};
  learn_record(know_, record, Revision{1}, Instant{1});
  core::Server& server = know_.situation.server;
  server.grant = core::Grant{core::GrantKind::lead, record.term, Instant{9}};
  server.state = core::ServerState::primary;
  EXPECT_EQ(heartbeat_of(know_).leads, core::Leads::yes);
  server.state = core::ServerState::stopping;
  EXPECT_EQ(heartbeat_of(know_).leads, core::Leads::unknown);
  server.grant.reset();  // a crash, an immediate stop
  EXPECT_EQ(heartbeat_of(know_).leads, core::Leads::no);
  server.state = core::ServerState::stopped;
  EXPECT_EQ(heartbeat_of(know_).leads, core::Leads::no);
}

// With async the others take nothing for fresh that was seen long ago.
TEST_F(KnowledgeTest, APrimarysHeartbeatSaysHowLongAgoItsPositionWasSeen) {
  postgres::Observation seen;
  seen.at = Instant{1'000'000'000};
  seen.flush = Lsn{500};
  learn_observation(know_, seen);
  ASSERT_EQ(know_.situation.server.state, core::ServerState::primary);
  const core::Heartbeat said = heartbeat_of(know_, Instant{4'000'000'000});
  EXPECT_EQ(said.position->lsn, Lsn{500});
  EXPECT_EQ(said.position_age, Millis{3000});
  seen.at = Instant{5'000'000'000};
  seen.flush.reset();  // it did not say
  learn_observation(know_, seen);
  EXPECT_EQ(heartbeat_of(know_, Instant{6'000'000'000}).position_age, Millis{5000});
}

TEST_F(KnowledgeTest, SlotsAreWhatTheServerSaysNow) {
  auto& slots = know_.situation.server.slots_of;
  const NodeName second{"n-2"};
  know_.situation.peers[second];
  know_.cards[NodeName{"n3"}];
  learn_slots(know_, {"evg_n_2", "evg_n3", "evg_nobody"}, Instant{5});
  EXPECT_EQ(slots, (std::vector<NodeName>{second, NodeName{"n3"}}));
  learn_slots(know_, {"evg_n3"}, Instant{6});
  EXPECT_EQ(slots, std::vector<NodeName>{NodeName{"n3"}});
  learn_slot(know_, second, true);
  learn_slot(know_, NodeName{"n3"}, false);
  learn_slots(know_, {"evg_n3"}, Instant{7});  // it was asked before we changed them
  EXPECT_EQ(slots, std::vector<NodeName>{second});
  learn_slots(know_, {"evg_n_2"}, boot_now());
  EXPECT_EQ(slots, std::vector<NodeName>{second});
}

TEST_F(KnowledgeTest, AHeartbeatCarriesNotMoreSlotsThanDecisionsNeed) {
  auto& server = know_.situation.server;
  server.state = core::ServerState::primary;
  server.slots.emplace(1000);
  for (std::size_t i = 0; i < 1000; ++i) server.slots->at(i).name = "s" + std::to_string(i);
  server.slots->at(998).name = "evg_n2";
  know_.situation.wanted.slots = {{core::PermanentSlot{"s999", false, "", ""}}};
  const auto told = heartbeat_of(know_).slots;
  ASSERT_TRUE(told);
  ASSERT_EQ(told->size(), 128U);
  EXPECT_EQ(told->at(0).name, "evg_n2");
  EXPECT_EQ(told->at(1).name, "s999");
  EXPECT_EQ(told->at(2).name, "s0");
  EXPECT_EQ(server.slots->size(), 1000U);
}

TEST_F(KnowledgeTest, AnotherRunOfTheServerHasNoFenceAndNoPosition) {
  know_.situation.fenced = core::Fenced{};
  know_.situation.server.position = core::Position{};
  know_.situation.server.receiving = true;
  know_.situation.server.gate_open = true;
  know_.situation.server.asked_to_promote = true;
  know_.situation.server.incarnation = Incarnation{"i1"};
  forget_server_run(know_);
  EXPECT_FALSE(know_.situation.fenced);
  EXPECT_FALSE(know_.situation.server.position);
  EXPECT_FALSE(know_.situation.server.receiving);
  EXPECT_FALSE(know_.situation.server.gate_open);
  EXPECT_FALSE(know_.situation.server.asked_to_promote);
  EXPECT_TRUE(know_.situation.server.incarnation) << "that is of the data, not of the run";
}

TEST_F(KnowledgeTest, TheLastRefusalsAreKept) {
  for (std::size_t i = 0; i < most_refusals + 5; ++i) {
    note_refusal(know_, {std::to_string(i), 0, "no"});
  }
  EXPECT_EQ(know_.refusals.size(), most_refusals);
  EXPECT_EQ(know_.refusals.front().request_id, "5");
}

TEST(Peak, IsTheLargestOfTheLastMinutes) {
  Peak peak;
  EXPECT_FALSE(peak.value());
  const auto at = [](std::int64_t seconds) { return Instant{seconds * 1'000'000'000}; };
  peak.note(Millis{9}, at(100));
  peak.note(Millis{3}, at(130));
  EXPECT_EQ(peak.value(), Nanos(Millis{9}));
  peak.note(Millis{4}, at(165));
  EXPECT_EQ(peak.value(), Nanos(Millis{9})) << "of the minute before";
  peak.note(Millis{2}, at(230));
  EXPECT_EQ(peak.value(), Nanos(Millis{4}));
  peak.note(Millis{1}, at(1000));
  EXPECT_EQ(peak.value(), Nanos(Millis{1})) << "after a long silence nothing is known";
}

TEST_F(KnowledgeTest, AStandbyMustBearTheNamesThatNobodyBears) {
  know_.situation.server.state = core::ServerState::standby;
  EXPECT_EQ(expected_names(know_.situation), core::names_nobody);
  know_.situation.server.asked_to_promote = true;
  EXPECT_EQ(expected_names(know_.situation), std::nullopt) << "a promotion may be changing them";
}

TEST_F(KnowledgeTest, WhoYieldsStopsItsServerAndNothingElse) {
  know_.yields = "another agent runs as \"n1\"";
  const std::vector<core::ServerState> running{
      core::ServerState::standby, core::ServerState::primary, core::ServerState::starting,
      core::ServerState::unknown};
  for (const auto state : running) {
    know_.situation.server.state = state;
    EXPECT_EQ(yield_decision(know_).intent, core::Intent(core::StopServer{}));
  }
  for (const auto state :
       {core::ServerState::stopped, core::ServerState::absent, core::ServerState::stopping}) {
    know_.situation.server.state = state;
    EXPECT_EQ(yield_decision(know_).intent, core::Intent(core::StayPut{}));
  }
  EXPECT_EQ(yield_decision(know_).why, *know_.yields);
}

}  // namespace
}  // namespace evergres::agent::test
