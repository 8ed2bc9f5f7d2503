#include "proxy/outcome/outcome.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace evergres::proxy {
namespace {

constexpr auto standings = words(static_cast<const Standing*>(nullptr));
constexpr auto events = words(static_cast<const Event*>(nullptr));
constexpr auto replays = words(static_cast<const Replay*>(nullptr));
constexpr auto fates = words(static_cast<const Fate*>(nullptr));

std::string text_of(const Verdict& verdict) {
  std::string text(word_of(verdict.action));
  if (!verdict.sqlstate.empty()) text += " " + std::string(verdict.sqlstate);
  if (!verdict.because.empty()) text += ": " + std::string(verdict.because);
  return text;
}

/// One line, or one per level of replay where they differ.
std::string lines_of(const std::string& what, const std::function<Verdict(Replay)>& decide) {
  const std::string first = text_of(decide(Replay::refused));
  bool same = true;
  for (const auto& replay : replays) same = same && text_of(decide(replay.value)) == first;
  if (same) return "  " + what + ": " + first + "\n";
  std::string lines;
  for (const auto& replay : replays) {
    lines += "  " + what + " [replay " + std::string(replay.word) +
             "]: " + text_of(decide(replay.value)) + "\n";
  }
  return lines;
}

std::string table() {
  std::string text;
  for (const auto& standing : standings) {
    text += std::string(standing.word) + "\n";
    for (const auto& event : events) {
      text += lines_of(std::string(event.word), [&](Replay replay) {
        return decide_outcome(standing.value, event.value, replay);
      });
    }
    for (const auto& fate : fates) {
      if (decide_outcome(standing.value, Event::lost, Replay::aborted).action != Action::resolve) {
        continue;
      }
      text += lines_of("found " + std::string(fate.word), [&](Replay replay) {
        return after_fate(standing.value, fate.value, replay);
      });
    }
    text += "\n";
  }
  return text;
}

// EVERGRES_GOLDEN=rewrite writes the table anew, to be reviewed as a diff.
TEST(Outcomes, AreTheGoldenOnes) {
  const auto path =
      std::filesystem::path(EVERGRES_SOURCE_DIR) / "tests/proxy/outcome/outcomes.golden";
  const char* wish = std::getenv("EVERGRES_GOLDEN");
  if (wish != nullptr && std::string_view(wish) == "rewrite") std::ofstream(path) << table();
  std::ifstream in(path);
  std::ostringstream golden;
  golden << in.rdbuf();
  EXPECT_TRUE(golden.str() == table()) << "EVERGRES_GOLDEN=rewrite shows the difference in git";
}

void for_all(const std::function<void(Standing, Event, Replay, const Verdict&)>& look) {
  for (const auto& standing : standings) {
    for (const auto& event : events) {
      for (const auto& replay : replays) {
        SCOPED_TRACE(std::string(standing.word) + " " + std::string(event.word));
        look(standing.value, event.value, replay.value,
             decide_outcome(standing.value, event.value, replay.value));
      }
    }
  }
}

const std::set<Standing> may_have_committed{Standing::statement_sent,     Standing::batch_sent,
                                            Standing::output_at_boundary, Standing::commit_sent,
                                            Standing::two_phase_sent,     Standing::copy_in_done,
                                            Standing::behind_sent};

TEST(Outcomes, NobodyIsToldThatSomethingFailedWhichMayHaveHappened) {
  for (const auto& standing : standings) {
    if (!may_have_committed.contains(standing.value)) continue;
    for (const auto& replay : replays) {
      const Verdict verdict = decide_outcome(standing.value, Event::lost, replay.value);
      EXPECT_NE(verdict.sqlstate, "40001") << standing.word;
      EXPECT_NE(verdict.action, Action::replay) << standing.word;
      EXPECT_TRUE(verdict.action == Action::resolve || verdict.sqlstate == "08007")
          << standing.word;
    }
  }
}

TEST(Outcomes, ARefusalSaysNothingOfTheStatementsInFrontOfIt) {
  for (const auto& replay : replays) {
    const Verdict verdict =
        decide_outcome(Standing::batch_sent, Event::not_primary, replay.value);
    EXPECT_EQ(verdict.action, Action::fail_statement);
    EXPECT_EQ(verdict.sqlstate, "08007");
  }
}

TEST(Outcomes, ACancelledWaitForStandbysIsNeverASuccess) {
  for (const Standing standing : may_have_committed) {
    const Verdict verdict = decide_outcome(standing, Event::sync_wait_cancelled, Replay::read_only);
    EXPECT_EQ(verdict.action, Action::withhold) << word_of(standing);
    EXPECT_EQ(verdict.sqlstate, "08007");
  }
}

TEST(Outcomes, ACommitIsNeitherCancelledNorSentTwice) {
  for_all([](Standing standing, Event event, Replay, const Verdict& verdict) {
    if (event == Event::cancel_requested && may_have_committed.contains(standing)) {
      EXPECT_NE(verdict.action, Action::cancel);
    }
    const bool commits = standing == Standing::commit_sent || standing == Standing::copy_in_done ||
                         standing == Standing::two_phase_sent;
    if (!commits) return;
    EXPECT_NE(verdict.action, Action::replay);
    EXPECT_NE(verdict.action, Action::cancel_unless_committing);
    EXPECT_NE(verdict.action, Action::roll_back);
  });
}

TEST(Outcomes, WhatWasSentInPartIsFollowedByNothing) {
  for_all([](Standing standing, Event, Replay, const Verdict& verdict) {
    if (standing == Standing::output_in_message) {
      EXPECT_TRUE(verdict.sqlstate.empty());
    }
  });
}

TEST(Outcomes, OnlyTheFirstLevelOfReplayIsNeededForWhatNobodyExecuted) {
  for_all([](Standing standing, Event event, Replay replay, const Verdict& verdict) {
    if (verdict.action != Action::replay || replay != Replay::refused) return;
    EXPECT_TRUE(event == Event::not_executed || event == Event::not_primary) << word_of(standing);
  });
}

TEST(Outcomes, EachErrorHasACodeAndASentence) {
  for_all([](Standing, Event, Replay, const Verdict& verdict) {
    const bool told =
        verdict.action == Action::withhold || verdict.action == Action::fail_statement ||
        verdict.action == Action::fail_transaction || verdict.action == Action::end_session;
    EXPECT_EQ(told, !verdict.sqlstate.empty());
    EXPECT_EQ(verdict.sqlstate.size(), told ? 5U : 0U);
    EXPECT_EQ(verdict.action == Action::nothing, !verdict.because.ends_with('.'));
  });
}

TEST(Outcomes, AnIdleClientSeesNothingOfAFailover) {
  for (const Event event : {Event::lost, Event::shut_down, Event::not_primary, Event::drain_begins,
                            Event::drain_expires, Event::hold_expired, Event::leader_opens}) {
    EXPECT_EQ(decide_outcome(Standing::idle, event, Replay::aborted).action, Action::nothing);
  }
}

}  // namespace
}  // namespace evergres::proxy
