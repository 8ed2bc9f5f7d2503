#include "core/grant.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

/// What keeps a primary's grant alive under quorum and strict: the store, or its voters. The cases
/// of async are in async_test.cpp.
namespace evergres::core::worlds {
namespace {

using Change = std::function<void(Situation&)>;

void as_it_is(Situation&) {}

std::string refusal(const Situation& s, const Change& change) {
  const GrantWish wish = grant_wish(with(s, change));
  return wish.kind ? "granted: " + wish.why : wish.why;
}

/// n1 leads, and its last read of the store is 9 s old.
Situation without_store(const std::vector<std::string>& voters, std::uint32_t k) {
  return with(World().voters(voters, k).as_seen_by("n1"), [](Situation& s) {
    s.store_read_at = ago(9);
    s.peers[node("n2")].alive_at = ago(0.2);
    s.peers[node("n3")].alive_at = ago(0.8);
  });
}

TEST(Grants, OnlyTheLeaderOfTheRecordAsksForOne) {
  const Situation leader = World().as_seen_by("n1");
  EXPECT_EQ(refusal(leader, as_it_is), "granted: we lead");
  EXPECT_EQ(grant_wish(leader).kind, GrantKind::lead);
  EXPECT_EQ(grant_wish(leader).term, Term{5});
  EXPECT_EQ(refusal(leader, [](Situation& s) { s.record.reset(); }), "the record is not known");
  EXPECT_EQ(refusal(World().as_seen_by("n2"), as_it_is), "the record does not name us");
  EXPECT_EQ(refusal(World().handing_over_to("n2").as_seen_by("n1"), as_it_is),
            "the record shows no open leader");
  const std::string no_grant = "our server has no grant of this term";
  EXPECT_EQ(refusal(leader, [](Situation& s) { s.server.grant.reset(); }), no_grant);
  EXPECT_EQ(refusal(leader, [](Situation& s) { s.server.grant->term = Term{4}; }), no_grant);
  EXPECT_EQ(refusal(leader, [](Situation& s) { s.server.state = ServerState::standby; }),
            "our server does not answer as primary");
}

TEST(Grants, WrongNamesRevokeAtOnce) {
  const auto wrong_since = [](double seconds) {
    return grant_wish(with(World().as_seen_by("n1"),
                           [&](Situation& s) { s.server.names_wrong_since = ago(seconds); }));
  };
  EXPECT_TRUE(wrong_since(0.1).kind) << "they were just applied";
  EXPECT_FALSE(wrong_since(0.2).kind);
  EXPECT_TRUE(wrong_since(0.2).revoke);
  EXPECT_EQ(wrong_since(0.2).why, "synchronous_standby_names is not what the policy says");
}

TEST(Grants, ThePromotionOfTheChosen) {
  const Situation chosen = with(World().chosen("n2", {"n3"}).as_seen_by("n2"), [](Situation& s) {
    s.server.grant = Grant{GrantKind::promote, Term{6}, ago(-4)};
  });
  EXPECT_EQ(refusal(chosen, as_it_is), "granted: we were chosen");
  EXPECT_EQ(grant_wish(chosen).kind, GrantKind::promote);
  EXPECT_EQ(grant_wish(chosen).counted_from, ago(0.1)) << "when the record was read";
  EXPECT_EQ(refusal(chosen, [](Situation& s) { s.agent = Claim{"run-2"}; }),
            "the promotion belongs to an earlier run of the agent");
  EXPECT_EQ(refusal(chosen, [](Situation& s) { s.server.grant.reset(); }),
            "the promotion has not begun");
  EXPECT_EQ(refusal(chosen, [](Situation& s) { s.server.grant->term = Term{5}; }),
            "the promotion has not begun");
  EXPECT_EQ(refusal(chosen, [](Situation& s) { s.store_read_at.reset(); }),
            "the record was never read");
}

TEST(Grants, ItCountsFromTheNewestEvidence) {
  const Situation s = World().as_seen_by("n1");
  EXPECT_EQ(grant_wish(s).counted_from, ago(0.1));
  EXPECT_EQ(grant_wish(without_store({"n2", "n3"}, 1)).counted_from, ago(0.2));
  EXPECT_EQ(grant_wish(without_store({"n2", "n3"}, 2)).counted_from, ago(0.8))
      << "as long as two confirm";
  EXPECT_EQ(grant_wish(without_store({}, 0)).counted_from, now) << "nobody else may lead at all";
}

TEST(Grants, WithoutTheStoreEnoughVotersHaveToConfirm) {
  const Situation away =
      with(without_store({"n2", "n3"}, 2), [](Situation& s) { s.store_read_at.reset(); });
  const auto n2 = [&](const std::function<void(Peer&)>& change) {
    return refusal(away, [&](Situation& s) { change(s.peers[node("n2")]); });
  };
  const std::string too_few = "the store is away and too few voters confirm our term";
  EXPECT_EQ(refusal(away, as_it_is), "granted: we lead");
  EXPECT_EQ(refusal(away, [](Situation& s) { s.peers.erase(node("n2")); }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said.reset(); }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.alive_at.reset(); }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said->seat.incarnation = Incarnation{"new"}; }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said->promise.term = Term{6}; }), too_few)
      << "it obeys somebody newer";
  EXPECT_EQ(n2([](Peer& peer) { peer.said->term = Term{6}; }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said->upstream.reset(); }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said->upstream->node = node("n3"); }), too_few);
  EXPECT_EQ(n2([](Peer& peer) { peer.said->upstream->term = Term{4}; }), too_few);
  // A store that answers without a record is none.
  EXPECT_EQ(refusal(away,
                    [](Situation& s) {
                      s.peers.erase(node("n2"));
                      s.store_read_at = ago(0.1);
                      s.record_missing = true;
                    }),
            too_few);
}

}  // namespace
}  // namespace evergres::core::worlds
