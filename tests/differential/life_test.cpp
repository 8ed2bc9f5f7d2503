#include "differential/story.hpp"

/// How servers end, what is left of them, and what of it is there after the next start.
namespace evergres::differential {
namespace {

const std::string nobody = "ANY 1 (\"~nobody\")";
const std::string a_name = "ANY 1 (\"a\")";

DIFFERENTIAL(WhatWasFlushedSurvivesACrash) {
  story.lead(story.n1, nobody);
  const int waiting = story.commit(story.n1);
  story.mark("m1", story.n1);
  story.n1.kill_everything();
  story.see_commit(story.n1, waiting);
  story.start(story.n1);
  story.see(story.n1);
  story.promote(story.n1);
  const int again = story.commit(story.n1);
  story.mark("m2", story.n1);
  story.n1.stop_immediately();
  story.see_commit(story.n1, again);
  story.start(story.n1);
  story.see(story.n1);
  story.see_histories(story.n1);
}

DIFFERENTIAL(OrphansCommitAndKeepANewPostmasterOut) {
  story.lead(story.n1, "");
  const int later = story.n1.commit_later();
  story.until("it computes", [&] { return story.n1.fate(later) == Fate::waits; });
  story.n1.kill_postmaster();
  story.until_life(story.n1, "survivors");
  story.start(story.n1);
  story.see_commit(story.n1, later);
  story.n1.finish_computing();
  story.until_acknowledged(story.n1, later);
  story.n1.kill_everything();
  story.start(story.n1);
  story.see(story.n1);
}

// Whoever waits for anything notices that the postmaster is dead: a commit that waits is not
// answered any more, a walsender and a receiver end.
DIFFERENTIAL(OrphansThatWaitEnd) {
  story.lead(story.n1, a_name);
  story.follow(story.n2, story.n1, "b");
  story.follow(story.n3, story.n2, "c");
  const int waiting = story.commit(story.n1);
  const int later = story.n1.commit_later();
  story.mark("m1", story.n1);
  story.until_replayed(story.n3, "m1");
  story.n1.kill_postmaster();
  story.until("the waiting commit is lost", [&] { return story.n1.fate(waiting) == Fate::lost; });
  story.until("n2 receives nothing", [&] {
    const auto seen = story.n2.observe();
    return seen && !seen->receiver;
  });
  story.n1.finish_computing();
  story.until("the other one is lost", [&] { return story.n1.fate(later) == Fate::lost; });
  story.n1.kill_everything();
  story.n2.kill_postmaster();
  story.until("n3 receives nothing", [&] {
    const auto seen = story.n3.observe();
    return seen && !seen->receiver;
  });
  story.n2.kill_everything();
  story.start(story.n1);
  story.see(story.n1);
}

DIFFERENTIAL(AFastStopSendsTheShutdownCheckpoint) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.commit(story.n1);
  story.say(story.n1.stop_fast(Millis{60'000}) ? "stopped cleanly" : "killed");
  story.mark("end", story.n1);
  story.until_replayed(story.n2, "end");
  story.see(story.n2);
}

DIFFERENTIAL(AFastStopEndsCommitsThatWait) {
  story.lead(story.n1, nobody);
  const int waiting = story.commit(story.n1);
  story.say(story.n1.stop_fast(Millis{60'000}) ? "stopped cleanly" : "killed");
  story.see_commit(story.n1, waiting);
}

DIFFERENTIAL(AFastStopWaitsForAPromotionThatHasBegun) {
  story.n1.hold_recovery();
  story.start(story.n1);
  story.n1.promote();
  story.until("its history is written", [&] { return !story.n1.histories().empty(); });
  story.see(story.n1);
  story.n1.begin_fast_stop(Millis{60'000});
  story.until_life(story.n1, "stopping");
  story.n1.let_recovery_end();
  story.say(story.n1.end_fast_stop() ? "stopped cleanly" : "killed");
  story.see_histories(story.n1);
  story.start(story.n1);
  story.see(story.n1);
}

DIFFERENTIAL(AFastStopGivesUpAPromotionThatWaits) {
  story.start(story.n1);
  story.n1.freeze(Part::startup);
  story.n1.promote();
  story.n1.begin_fast_stop(Millis{60'000});
  story.until_life(story.n1, "stopping");
  story.n1.thaw(Part::startup);
  story.say(story.n1.end_fast_stop() ? "stopped cleanly" : "killed");
  story.see_histories(story.n1);
  story.start(story.n1);
  story.see(story.n1);
}

DIFFERENTIAL(AFastStopWaitsForAFrozenWalsender) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.n1.freeze(Part::senders);
  story.commit(story.n1);
  story.say(story.n1.stop_fast(Millis{1000}) ? "stopped cleanly" : "killed");
}

}  // namespace
}  // namespace evergres::differential
