#include "core/record.hpp"

#include <gtest/gtest.h>

#include "cohort.hpp"
#include "core/tags.hpp"

/// Names that PostgreSQL hears, and what node.yaml says of a node.
namespace evergres::core {
namespace {

TEST(Record, NamesOfASeat) {
  const Seat seat{NodeName{"db-2"}, Incarnation{"7f3a91c2"}};
  EXPECT_EQ(application_name(seat, Term{12}), "evg_db-2_7f3a91c2_t12");
  EXPECT_EQ(voteless_name(seat, Term{12}), "evgc_db-2_7f3a91c2_t12");
  EXPECT_EQ(slot_name(seat.node), "evg_db_2") << "a slot's name has no hyphen";
}

TEST(Record, TwoLivesOfANodeAreTwoSeats) {
  const Seat first{NodeName{"n2"}, Incarnation{"a"}};
  const Seat second{NodeName{"n2"}, Incarnation{"b"}};
  EXPECT_LT(first, second);
  EXPECT_LT(second, (Seat{NodeName{"n3"}, Incarnation{"a"}}));
}

TEST(Record, TheNamesOfAPolicy) {
  Policy policy = cohort::SmallPolicy{0, 0b110, 2}.real(Term{3});
  EXPECT_EQ(synchronous_standby_names(policy), "ANY 2 (\"evg_n2_i2_t3\", \"evg_n3_i3_t3\")");
  policy.voters.clear();
  policy.k = 0;
  EXPECT_EQ(synchronous_standby_names(policy), "") << "n1 alone";
  policy.mode = Durability::strict;
  EXPECT_EQ(synchronous_standby_names(policy), names_nobody) << "nothing is acknowledged";
}

TEST(Policies, InWords) {
  Policy policy = cohort::SmallPolicy{0, 0b110, 2}.real(Term{3});
  EXPECT_EQ(describe(policy), "n1 with any 2 of n2, n3");
  policy.mode = Durability::strict;
  EXPECT_EQ(describe(policy), "n1 with any 2 of n2, n3 (strict)");
  policy.voters.clear();
  policy.k = 0;
  EXPECT_EQ(describe(policy), "n1 with nobody (strict)");
  EXPECT_FALSE(acknowledges(policy, cohort::seats(0b111)));
  policy.mode = Durability::quorum;
  EXPECT_EQ(describe(policy), "n1 alone");
  policy.mode = Durability::async;
  EXPECT_EQ(describe(policy), "n1 alone (async)");
}

TEST(Tags, FromTheTextsOfNodeYaml) {
  EXPECT_EQ(tags_from({}), Tags{});
  EXPECT_EQ(tags_from({{"rack", "b4"}}), Tags{}) << "what is no tag of ours is left out";
  const Tags all = tags_from({{"nofailover", "true"},
                              {"failover_priority", "7"},
                              {"nosync", "true"},
                              {"clonefrom", "true"},
                              {"replicatefrom", "n2"},
                              {"zone", "east"}});
  EXPECT_EQ(all, (Tags{true, 7, true, true, NodeName{"n2"}, "east"}));
  EXPECT_TRUE(tags_from({{"failover_priority", "0"}}).nofailover);
  EXPECT_FALSE(tags_from({{"nofailover", "false"}}).nofailover);
}

TEST(Tags, WhoNeverVotes) {
  EXPECT_FALSE(why_not_vote(Tags{}));
  EXPECT_EQ(why_not_vote(tags_from({{"nosync", "true"}})), "it is tagged nosync");
  EXPECT_EQ(why_not_vote(tags_from({{"nosync", "true"}, {"replicatefrom", "n2"}})),
            "it is tagged replicatefrom: n2");
}

}  // namespace
}  // namespace evergres::core
