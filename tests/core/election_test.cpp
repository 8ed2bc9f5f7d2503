#include <gtest/gtest.h>

#include "cohort.hpp"

/// Candidate choice, for all small cohorts. Timeline 2 (term 1) forks from timeline 1 at 10; the
/// node that ends at 30 on timeline 1 was the leader before and has a tail that nobody
/// acknowledged.
namespace evergres::core::cohort {
namespace {

const std::vector<Position> ends = {{TimelineId{1}, Lsn{5}},
                                    {TimelineId{1}, Lsn{30}},
                                    {TimelineId{2}, Lsn{8}},  // it fetched the history, no more
                                    {TimelineId{2}, Lsn{15}},
                                    {TimelineId{2}, Lsn{20}}};
// What each of these servers holds, written down by hand: bytes 5, 8, 10 of timeline 1, its tail,
// and 15 and 20 of timeline 2.
constexpr Mask byte5 = 1, byte8 = 2, byte10 = 4, tail30 = 8, byte15 = 16, byte20 = 32;
const std::vector<Mask> held = {byte5, byte5 | byte8 | byte10 | tail30, byte5 | byte8,
                                byte5 | byte8 | byte10 | byte15,
                                byte5 | byte8 | byte10 | byte15 | byte20};

Record record_of(const SmallPolicy& policy) {
  Record record;
  record.system_id = SystemId{7};
  record.term = Term{2};
  record.phase = Phase::electing;
  record.policy.current = policy.real(Term{1});
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
                    {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{10}, NodeName{"n1"}}};
  return record;
}

Fenced answer_of(unsigned node, const Position& end, bool can_run) {
  Fenced answer;
  answer.term = Term{2};
  answer.seat = seat(node);
  answer.system_id = SystemId{7};
  answer.agent = Claim{"run of " + answer.seat.node.value};
  answer.position = end;
  answer.newest_timeline = TimelineId{node == 2 ? 9U : end.timeline.value};
  answer.can_run = can_run;
  return answer;
}

struct Cohort {
  unsigned nodes;
  SmallPolicy policy;
  std::vector<unsigned> at;  ///< index into ends, by node
  Mask fenced;
  Mask broken;  ///< fenced, but cannot run
  Mask nofailover = 0;
  Mask nosync = 0;
};

/// What may have been acknowledged: held by the leader and by k voters.
Mask acknowledged_bytes(const Cohort& c) {
  Mask bytes = 0;
  for (Mask byte = 1; byte <= byte20; byte <<= 1U) {
    unsigned holders = 0;
    for (unsigned node = 0; node < c.nodes; ++node) {
      if (has(c.policy.voters, node) && (held[c.at[node]] & byte) != 0) ++holders;
    }
    if ((held[c.at[0]] & byte) != 0 && holders >= c.policy.k) bytes |= byte;
  }
  return bytes;
}

using Choose = std::function<Elected(const Cohort&, const ElectionInput&)>;

struct Found {
  unsigned elected = 0, lost = 0, bad_voter = 0, bad_timeline = 0, cannot_run = 0,
           refused_though_covered = 0, must_not_lead = 0, must_not_vote = 0, behind = 0,
           complete = 0, falsely_complete = 0, boasts = 0;
};

void judge(const Cohort& c, const Choose& choose_leader_of, Found& found) {
  const Record record = record_of(c.policy);
  std::vector<Fenced> answers;
  for (unsigned node = 0; node < c.nodes; ++node) {
    if (has(c.fenced, node))
      answers.push_back(answer_of(node, ends[c.at[node]], !has(c.broken, node)));
  }
  ElectionInput input{.record = record, .answers = answers};
  for (unsigned node = 0; node < c.nodes; ++node) {
    Tags& tags = input.tags[seat(node).node];
    tags.nofailover = has(c.nofailover, node);
    tags.nosync = has(c.nosync, node);
    tags.failover_priority = 1 + node;  // completeness comes first
  }
  const Elected elected = choose_leader_of(c, input);
  if (!elected.choice) {
    found.refused_though_covered +=
        c.broken == 0 && c.nofailover == 0 && covers(c.policy.real(Term{1}), seats(c.fenced)) ? 1U
                                                                                              : 0U;
    return;
  }
  ++found.elected;
  const auto index_of = [](const Seat& who) {
    return static_cast<unsigned>(who.node.value[1] - '1');
  };
  const unsigned winner = index_of(elected.choice->leader);
  const Mask missing = acknowledged_bytes(c) & ~held[c.at[winner]];
  found.lost += missing != 0 ? 1U : 0U;
  found.complete += elected.complete ? 1U : 0U;
  found.falsely_complete += elected.complete && missing != 0 ? 1U : 0U;
  const bool boasts = std::any_of(
      elected.choice->facts.begin(), elected.choice->facts.end(),
      [](const std::string& fact) { return fact.find("nobody holds more") != std::string::npos; });
  Mask fenced_bytes = 0;
  for (unsigned node = 0; node < c.nodes; ++node)
    fenced_bytes |= has(c.fenced, node) ? held[c.at[node]] : 0;
  found.boasts += boasts && (fenced_bytes & ~held[c.at[winner]]) != 0 ? 1U : 0U;
  found.cannot_run += has(c.broken, winner) ? 1U : 0U;
  found.must_not_lead += winner != 0 && has(c.nofailover, winner) ? 1U : 0U;
  for (unsigned node = 0; node < c.nodes; ++node) {  // who could have led and had more
    const bool could = has(c.fenced & ~c.broken, node) && (node == 0 || !has(c.nofailover, node));
    const bool more =
        (held[c.at[winner]] & ~held[c.at[node]]) == 0 && held[c.at[node]] != held[c.at[winner]];
    found.behind += could && more ? 1U : 0U;
  }
  for (const Seat& voter : elected.choice->policy.voters) {
    const unsigned node = index_of(voter);
    const bool prefix = (held[c.at[node]] & ~held[c.at[winner]]) == 0;
    found.bad_voter += !prefix || !has(c.fenced, node) ? 1U : 0U;
    found.must_not_vote += has(c.nosync, node) ? 1U : 0U;
  }
  for (const Fenced& answer : answers) {
    found.bad_timeline += elected.choice->timeline <= answer.newest_timeline ? 1U : 0U;
  }
}

Found search(unsigned largest, bool with_broken, const Choose& choose_leader_of) {
  Found found;
  for (unsigned nodes = 1; nodes <= largest; ++nodes) {
    unsigned assignments = 2;
    for (unsigned node = 1; node < nodes; ++node) assignments *= 5;
    for (unsigned assignment = 0; assignment < assignments; ++assignment) {
      std::vector<unsigned> at{3 + assignment % 2};
      for (unsigned node = 1, rest = assignment / 2; node < nodes; ++node, rest /= 5)
        at.push_back(rest % 5);
      for (unsigned k = nodes > 1 ? 1 : 0; k < std::max(nodes, 1U); ++k) {
        const SmallPolicy policy{0, ((1U << nodes) - 1) & ~1U, k};
        for (Mask fenced = 0; fenced < (1U << nodes); ++fenced) {
          for (Mask broken = 0; broken <= (with_broken ? fenced : 0); ++broken) {
            if ((broken & fenced) == broken)
              judge({nodes, policy, at, fenced, broken}, choose_leader_of, found);
          }
        }
      }
    }
  }
  return found;
}

Elected real(const Cohort&, const ElectionInput& input) {
  return choose(input);
}

TEST(Election, TheChosenHoldsEverythingThatWasAcknowledged) {
  const Found found = search(5, false, real);
  EXPECT_GT(found.elected, 10'000U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.bad_voter, 0U);
  EXPECT_EQ(found.bad_timeline, 0U);
  EXPECT_EQ(found.refused_though_covered, 0U);
}

TEST(Election, AlsoWhenSomeServersCannotRun) {
  const Found found = search(4, true, real);
  EXPECT_GT(found.elected, 1'000U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.bad_voter, 0U);
  EXPECT_EQ(found.cannot_run, 0U);
}

/// All ways to tag up to four nodes nofailover or nosync: a tag never makes an election lose what
/// was acknowledged; it only keeps nodes out.
TEST(Election, TagsChooseOnlyAmongTheComplete) {
  Found found;
  for (unsigned nodes = 2; nodes <= 4; ++nodes) {
    unsigned assignments = 2;
    for (unsigned node = 1; node < nodes; ++node) assignments *= 5;
    const Mask all = (1U << nodes) - 1;
    for (unsigned assignment = 0; assignment < assignments; ++assignment) {
      std::vector<unsigned> at{3 + assignment % 2};
      for (unsigned node = 1, rest = assignment / 2; node < nodes; ++node, rest /= 5)
        at.push_back(rest % 5);
      for (unsigned k = 1; k < nodes; ++k) {
        for (Mask fenced = 0; fenced <= all; ++fenced) {
          for (Mask tagged = 0; tagged <= all; ++tagged) {
            const SmallPolicy policy{0, all & ~1U, k};
            judge({nodes, policy, at, fenced, 0, tagged, assignment & all}, real, found);
          }
        }
      }
    }
  }
  EXPECT_GT(found.elected, 10'000U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.bad_voter, 0U);
  EXPECT_EQ(found.must_not_lead, 0U);
  EXPECT_EQ(found.must_not_vote, 0U);
  EXPECT_EQ(found.behind, 0U);
  EXPECT_EQ(found.complete, found.elected);
}

/// Who accepts a loss gets the most complete node that could run, whatever its tags, and is not
/// told that it holds everything when it does not.
TEST(Election, AnAcceptedLossIsNoLargerForATag) {
  const auto accepting = [](const Cohort&, const ElectionInput& input) {
    ElectionInput accepted = input;
    accepted.accept_data_loss = true;
    return choose(accepted);
  };
  Found found;
  for (unsigned assignment = 0; assignment < 2 * 5 * 5; ++assignment) {
    const std::vector<unsigned> at{3 + assignment % 2, assignment / 2 % 5, assignment / 10};
    for (unsigned k = 1; k <= 2; ++k) {
      for (Mask fenced = 1; fenced <= 7; ++fenced) {
        for (Mask broken = 0; broken <= 7; ++broken) {
          const Found before = found;
          judge({3, {0, 0b110, k}, at, fenced, broken, 0}, accepting, found);
          Found tagged = before;
          judge({3, {0, 0b110, k}, at, fenced, broken, 0b111}, accepting, tagged);
          EXPECT_EQ(tagged.elected, found.elected);
          EXPECT_EQ(tagged.lost, found.lost);
          EXPECT_EQ(tagged.complete, found.complete);
        }
      }
    }
  }
  EXPECT_GT(found.lost, 0U);
  EXPECT_GT(found.complete, 0U);
  EXPECT_GT(found.elected, found.complete);
  EXPECT_EQ(found.falsely_complete, 0U);
  EXPECT_EQ(found.boasts, 0U);
  EXPECT_EQ(found.behind, 0U);
}

/// Planted: a preferred node leads although another holds more.
TEST(Election, APriorityThatBeatsCompletenessIsCaught) {
  const auto by_priority = [](const Cohort&, const ElectionInput& input) {
    Elected elected = choose(input);
    if (!elected.choice) return elected;
    for (const Fenced& answer : input.answers) {
      if (input.tags.at(answer.seat.node).failover_priority >
          input.tags.at(elected.choice->leader.node).failover_priority) {
        elected.choice->leader = answer.seat;
      }
    }
    return elected;
  };
  const Found found = search(3, false, by_priority);
  EXPECT_GT(found.lost, 0U);
  EXPECT_GT(found.behind, 0U);
}

struct Chosen {
  std::string leader;
  std::vector<Seat> voters;
  std::string why_not;
};

/// Two standbys and the former leader, all at the same end, but for those in `behind`.
Chosen chosen_of(const std::map<std::string, Tags>& tags, Mask behind = 0, bool insist = false) {
  const Record record = record_of({0, 0b110, 1});
  std::vector<Fenced> answers;
  for (unsigned node = 1; node < 3; ++node)
    answers.push_back(answer_of(node, ends[has(behind, node) ? 3 : 4], true));
  ElectionInput input{.record = record, .answers = answers};
  for (const auto& [name, one] : tags) input.tags[NodeName{name}] = one;
  if (insist) input.insisted_on = input.preferred = seat(2).node;
  const Elected elected = choose(input);
  if (!elected.choice) return {"", {}, elected.otherwise.missing.front()};
  return {elected.choice->leader.node.value, elected.choice->policy.voters, ""};
}

Tags tagged(const std::function<void(Tags&)>& change) {
  Tags tags;
  change(tags);
  return tags;
}

TEST(Election, TheWishesOfOperators) {
  const auto nofailover = tagged([](Tags& tags) { tags.nofailover = true; });
  const auto second = tagged([](Tags& tags) { tags.failover_priority = 2; });
  const auto east = tagged([](Tags& tags) { tags.zone = "east"; });
  const auto nosync = tagged([](Tags& tags) { tags.nosync = true; });
  const auto cascaded = tagged([](Tags& tags) { tags.replicatefrom = NodeName{"n3"}; });
  EXPECT_EQ(chosen_of({}).leader, "n2");
  EXPECT_EQ(chosen_of({{"n3", second}}).leader, "n3");
  EXPECT_EQ(chosen_of({{"n3", second}}, 0b100).leader, "n2") << "completeness comes first";
  EXPECT_EQ(chosen_of({{"n1", east}, {"n3", east}}).leader, "n3");
  EXPECT_EQ(chosen_of({{"n3", east}}).leader, "n2") << "nobody knows where the old leader was";
  EXPECT_EQ(chosen_of({{"n2", cascaded}}).leader, "n3");
  EXPECT_TRUE(chosen_of({{"n3", cascaded}}).voters.empty());
  EXPECT_TRUE(chosen_of({{"n3", nosync}}).voters.empty());
  EXPECT_EQ(chosen_of({{"n2", nofailover}}).leader, "n3");
  EXPECT_EQ(chosen_of({{"n2", nofailover}}).voters, seats(0b010)) << "rather than nobody";
  EXPECT_EQ(chosen_of({{"n2", nofailover}, {"n3", nofailover}}).why_not,
            "n2 could lead, but is tagged nofailover");
  EXPECT_EQ(chosen_of({{"n2", nofailover}}, 0b100).why_not,
            "n2 holds WAL up to 0/14, more than n3, but is tagged nofailover");
  EXPECT_EQ(chosen_of({{"n3", nofailover}}, 0, true).leader, "n3");
}

// A switchover asks for no voter less than strict had kept.
// After a crash of its own it holds everything, and leads again; so does one that an operator
// named.
TEST(Election, WhoLedLastLeadsAgainWhateverItsTag) {
  const Record record = record_of({0, 0b110, 1});
  const std::vector<Fenced> answers = {answer_of(0, ends[4], true), answer_of(1, ends[3], true)};
  ElectionInput input{.record = record, .answers = answers};
  input.tags[seat(0).node].nofailover = true;
  const Elected again = choose(input);
  ASSERT_TRUE(again.choice);
  EXPECT_EQ(again.choice->leader, seat(0));
  const std::vector<Fenced> stopped = {answer_of(0, ends[4], false), answer_of(1, ends[4], false)};
  const Elected nobody = choose({.record = record, .answers = stopped});
  ASSERT_FALSE(nobody.choice);
  EXPECT_EQ(nobody.otherwise.missing.front(),
            "no fenced node has a PostgreSQL that could be promoted");
}

TEST(Election, WithStrictATagTakesNoVoterOutWhileOthersAreMissing) {
  Record record = record_of({0, 0b110, 2});
  record.policy.current.mode = Durability::strict;
  const std::vector<Fenced> answers = {answer_of(0, ends[4], true), answer_of(1, ends[4], true),
                                       answer_of(2, ends[4], true)};
  ElectionInput input{.record = record, .answers = answers, .wanted_k = 2};
  input.tags[seat(2).node].nosync = true;
  const Elected kept = choose(input);
  ASSERT_TRUE(kept.choice);
  EXPECT_EQ(kept.choice->policy.voters.size(), 2U);
  EXPECT_EQ(kept.choice->policy.k, 2U);
  record.policy.current.voters = seats(0b010);  // it never voted: the tag counts
  record.policy.current.k = 1;
  const Elected out = choose(input);
  ASSERT_TRUE(out.choice);
  const auto& voters = out.choice->policy.voters;
  EXPECT_EQ(std::find(voters.begin(), voters.end(), seat(2)), voters.end());
}

TEST(Election, ANodeFencedByHandNeitherLeadsNorVotes) {
  Record record = record_of({0, 0b110, 1});
  record.hand_fences = {HandFence{seat(1).node, "anna", "", 0}};
  const std::vector<Fenced> answers = {answer_of(1, ends[4], true), answer_of(2, ends[4], true)};
  const Elected elected = choose({.record = record, .answers = answers});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->leader, seat(2));
  EXPECT_TRUE(elected.choice->policy.voters.empty());
}

// Planted: order by LSN alone. The old leader's tail wins over acknowledged commits.
Elected by_lsn_alone(const Cohort& c, const ElectionInput& input) {
  Elected elected = choose(input);
  if (!elected.choice) return elected;
  for (const Fenced& answer : input.answers) {
    if (answer.position->lsn >
        ends[c.at[static_cast<unsigned>(elected.choice->leader.node.value[1] - '1')]].lsn) {
      elected.choice->leader = answer.seat;
      elected.choice->policy.leader = answer.seat;
    }
  }
  return elected;
}
// Planted: P' from the nodes that are reachable instead of those that are fenced.
Elected reachable_voters(const Cohort& c, const ElectionInput& input) {
  Elected elected = choose(input);
  if (elected.choice) elected.choice->policy.voters = seats(((1U << c.nodes) - 1));
  return elected;
}

TEST(Election, PlantedChoicesAreCaught) {
  EXPECT_GT(search(3, false, by_lsn_alone).lost, 0U);
  EXPECT_GT(search(3, false, reachable_voters).bad_voter, 0U);
  const auto with = [](const Covers& enough) {
    return [enough](const Cohort&, const ElectionInput& input) {
      const auto fenced = counting_seats(input.answers, input.record.term, input.record.system_id);
      const ElectionInput forced{.record = input.record,
                                 .answers = input.answers,
                                 .accept_data_loss = enough(input.record.policy, fenced)};
      return forced.accept_data_loss ? choose(forced) : Elected{};
    };
  };
  EXPECT_EQ(search(4, false, with(covers_all)).lost, 0U);
  EXPECT_GT(search(4, false, with(one_too_few)).lost, 0U);
  EXPECT_GT(search(5, false, with(majority)).lost, 0U);
}

// Answers that do not count neither lead nor vote, and the facts say why.
TEST(Election, WhatDoesNotCountIsToldWithItsReason) {
  Record record = record_of({0, 0b0110, 1});
  record.members = {seat(0).node, seat(1).node};
  std::vector<Fenced> answers;
  for (unsigned node = 1; node < 5; ++node) answers.push_back(answer_of(node, ends[4], true));
  answers.push_back(answer_of(2, ends[4], true));
  answers[1].term = Term{1};
  answers[2].system_id = SystemId{8};
  answers[3].position.reset();
  answers[3].why_no_position = "pg_waldump failed";
  const Elected elected = choose({.record = record, .answers = answers});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->leader, seat(1));
  EXPECT_EQ(elected.choice->policy.voters, seats(0b00100));
  EXPECT_EQ(
      elected.choice->facts,
      (std::vector<std::string>{
          "n2: fenced at 0/14 on timeline 2; leads, nobody holds more",
          "n3: answered for term 1, not counted", "n4: belongs to another cluster, not counted",
          "n5: fenced without a position (pg_waldump failed)",
          "n3: fenced at 0/14 on timeline 2; votes", "n1: gave no answer, excluded"}));
}

TEST(Election, ABrokenServerWithATailDoesNotHoldUpEnoughOthers) {
  const Record record = record_of({0, 0b110, 1});
  const std::vector<Fenced> answers = {answer_of(0, ends[4], false), answer_of(1, ends[3], true),
                                       answer_of(2, ends[3], true)};
  const Elected elected = choose({.record = record, .answers = answers});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->leader, seat(1));
  EXPECT_EQ(elected.choice->policy.voters, seats(0b100));
  const std::vector<Fenced> two = {answers[0], answers[1]};
  const Elected refused = choose({.record = record, .answers = two});
  ASSERT_FALSE(refused.choice);
  EXPECT_EQ(refused.otherwise.missing.front(),
            "n1 holds WAL up to 0/14, more than n2, but cannot lead itself");
}

}  // namespace
}  // namespace evergres::core::cohort
