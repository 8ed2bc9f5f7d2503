#include "cli/replay.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "cluster/json.hpp"
#include "core/decide.hpp"

namespace evergres::cli {
namespace {

/// As agent/journal.cpp writes it.
std::string journal_line(const core::Situation& situation, const std::string& why_instead = "") {
  core::Decision decision = core::decide(situation);
  if (!why_instead.empty()) decision.why = why_instead;
  boost::json::object line;
  line["wall"] = "2026-01-01 00:00:00.000Z";
  line["rule"] = decision.rule;
  line["decision"] = core::describe(decision);
  line["facts"] = cluster::to_json(decision.facts);
  line["situation"] = cluster::to_json(situation);
  return boost::json::serialize(line) + "\n";
}

core::Situation somewhere() {
  core::Situation s;
  s.now = Instant{5'000'000'000};
  s.me = NodeName{"n1"};
  s.agent = Claim{"run-1"};
  s.server.state = core::ServerState::standby;
  s.server.lag_seconds = 0.1;
  return s;
}

TEST(Replay, ToldTheSameItDecidesTheSame) {
  core::Situation missing = somewhere();
  missing.record_missing = true;
  std::istringstream journal(journal_line(somewhere()) + "{\"dropped\":3}\n" +
                             journal_line(missing));
  const Replayed replayed = replay(journal);
  EXPECT_EQ(replayed.same, 2U);
  EXPECT_EQ(replayed.dropped, 3U);
  EXPECT_TRUE(replayed.different.empty());
  EXPECT_EQ(replay_text(replayed), "2 decisions are the same, 0 differ, 3 were not kept\n");
}

TEST(Replay, ShowsADifferenceWithItsLine) {
  std::istringstream journal(journal_line(somewhere()) +
                             journal_line(somewhere(), "another rule said so"));
  const Replayed replayed = replay(journal);
  EXPECT_EQ(replayed.same, 1U);
  ASSERT_EQ(replayed.different.size(), 1U);
  EXPECT_EQ(replay_text(replayed),
            "line 2\n"
            "  then: keep_hands_off_a_lost_history: stay_put, because another rule said so\n"
            "  now:  keep_hands_off_a_lost_history: stay_put, because the record is not known yet\n"
            "1 decisions are the same, 1 differ\n");
}

TEST(Replay, NamesWhatItCannotRead) {
  const std::string whole = journal_line(somewhere());
  std::istringstream journal(whole + whole.substr(0, whole.size() / 2) + "\n" +
                             "{\"rule\":\"carry_on\"}\n" +
                             "{\"rule\":\"yield_to_the_older_agent_of_this_name\"," +
                             whole.substr(whole.find("\"decision\"")));
  const Replayed replayed = replay(journal);
  EXPECT_EQ(replayed.same, 1U);
  EXPECT_EQ(replayed.elsewhere, 1U);
  ASSERT_EQ(replayed.unreadable.size(), 2U);
  EXPECT_EQ(replayed.unreadable[0], "line 2: it is no JSON object; cut short by a crash?");
  EXPECT_EQ(replayed.unreadable[1].substr(0, 7), "line 3:");
}

}  // namespace
}  // namespace evergres::cli
