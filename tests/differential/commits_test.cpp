#include "differential/story.hpp"

/// Whom a commit waits for, and what releases it.
namespace evergres::differential {
namespace {

const std::string nobody = "ANY 1 (\"~nobody\")";
const std::string a_name = "ANY 1 (\"a\")";
const std::string b_name = "ANY 1 (\"b\")";

DIFFERENTIAL(ACommitWaitsForItsNames) {
  story.lead(story.n1, "ANY 1 (\"a\", \"b\")");
  const int waiting = story.commit(story.n1);
  story.mark("m1", story.n1);
  story.follow(story.n2, story.n1, "somebody_else");
  story.until_flushed(story.n1, "somebody_else", "m1");
  story.until_another_reply(story.n1, "somebody_else");
  story.see_commit(story.n1, waiting);
  story.see(story.n1);
  story.follow(story.n3, story.n1, "b");
  story.until_acknowledged(story.n1, waiting);
  story.see_senders(story.n1);
  story.until_replayed(story.n3, "m1");
  story.see(story.n3);
  story.see_receiver(story.n3);
}

DIFFERENTIAL(TwoOfThreeAreNeeded) {
  story.lead(story.n1, "ANY 2 (\"a\", \"b\", \"c\")");
  story.follow(story.n2, story.n1, "a");
  const int waiting = story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_flushed(story.n1, "a", "m1");
  story.until_another_reply(story.n1, "a");
  story.see_commit(story.n1, waiting);
  story.follow(story.n3, story.n1, "c");
  story.until_acknowledged(story.n1, waiting);
  story.see_senders(story.n1);
}

DIFFERENTIAL(AnXidAloneNeverWaits) {
  story.lead(story.n1, nobody);
  story.commit(story.n1);
  story.commit(story.n1, false);
  story.see(story.n1);
}

DIFFERENTIAL(EmptyNamesReleaseEverybody) {
  story.lead(story.n1, nobody);
  const int first = story.commit(story.n1);
  const int second = story.commit(story.n1);
  story.see(story.n1);
  story.set_names(story.n1, "");
  story.until_acknowledged(story.n1, first);
  story.until_acknowledged(story.n1, second);
  story.commit(story.n1);
  story.see(story.n1);
}

DIFFERENTIAL(ASessionThatIsEndedIsWarned) {
  story.lead(story.n1, nobody);
  const int ended = story.commit(story.n1);
  story.n1.end_sessions();
  story.until("it is answered", [&] { return story.n1.fate(ended) != Fate::waits; });
  story.see_commit(story.n1, ended);
}

DIFFERENTIAL(ABusyCheckpointerPublishesTheNamesLate) {
  story.lead(story.n1, "");
  story.n1.freeze(Part::checkpointer);
  story.set_names(story.n1, nobody);
  story.commit(story.n1);  // shown to new connections, and not yet in force
  story.n1.thaw(Part::checkpointer);
  story.until_one_waits(story.n1);
  story.see(story.n1);
}

DIFFERENTIAL(ABusyCheckpointerReleasesLate) {
  story.lead(story.n1, nobody);
  const int before = story.commit(story.n1);
  story.n1.freeze(Part::checkpointer);
  story.set_names(story.n1, "");
  const int after = story.commit(story.n1);
  story.see_commit(story.n1, before);
  story.n1.thaw(Part::checkpointer);
  story.until_acknowledged(story.n1, before);
  story.until_acknowledged(story.n1, after);
}

DIFFERENTIAL(EachWalsenderHasItsOwnCopyOfTheNames) {
  story.lead(story.n1, a_name);
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m1", story.n1);
  story.until_flushed(story.n1, "a", "m1");
  story.until_flushed(story.n1, "b", "m1");
  story.see_senders(story.n1);
  story.n1.freeze(Part::senders);
  story.set_names(story.n1, b_name);
  story.see_senders(story.n1);
  const int second = story.commit(story.n1);
  story.n1.thaw(Part::senders);
  story.until_acknowledged(story.n1, second);
  story.until_sync_state(story.n1, "a", "async");
  story.until_sync_state(story.n1, "b", "quorum");
}

// Two servers took the same timeline id; the longer one attaches to the shorter. It reports what it
// has replayed as flushed, which releases commits that it does not have, also when it is gone.
DIFFERENTIAL(AReceiverThatAttachesHasFlushedWhatItReplayed) {
  story.lead(story.n1, a_name);
  story.lead(story.n2, "");
  for (int i = 0; i < 10; ++i) story.commit(story.n2);
  story.say(story.n2.stop_fast(Millis{60'000}) ? "stopped cleanly" : "killed");
  const int lost = story.commit(story.n1);
  story.n2.write_upstream(Upstream{"n1", "a"});
  story.start(story.n2);
  story.until_acknowledged(story.n1, lost);
  story.n2.kill_everything();
  story.until_no_sender(story.n1, "a");
  story.commit(story.n1);
}

}  // namespace
}  // namespace evergres::differential
