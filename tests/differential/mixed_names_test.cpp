#include "differential/story.hpp"

/// What walsenders release while their copies of the names differ: as many as the own copy of one
/// asks for, of those that their own copies name (core/quorum.hpp, may_mix).
namespace evergres::differential {
namespace {

const std::string one_name = "ANY 1 (\"a\")";
const std::string two_names = "ANY 2 (\"a\", \"b\")";

/// n1 leads, n2 has all until the first mark and gets no more, n3 gets everything.
void begin(Story& story, const std::string& names) {
  story.lead(story.n1, names);
  story.follow_over_relay(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit_everywhere(story.n1, "m1", {"a", "b"});
  story.n2.hold_wal();
}

int commit_on_b_alone(Story& story) {
  const int waiting = story.commit(story.n1);
  story.mark("m2", story.n1);
  story.until_flushed(story.n1, "b", "m2");
  story.until_another_reply(story.n1, "b");
  story.see_commit(story.n1, waiting);
  return waiting;
}

void see_that_it_waits(Story& story, int waiting) {
  story.until_another_reply(story.n1, "a");
  story.until_another_reply(story.n1, "a");
  story.see_commit(story.n1, waiting);
  story.see_senders(story.n1);
}

// The one that stands still goes on being counted; a's, which waits for one only, is there already:
// released by b alone, which satisfies neither "any 2 of a, b" nor "a".
DIFFERENTIAL(KFallsBesideAStuckWalsender) {
  begin(story, two_names);
  const int waiting = commit_on_b_alone(story);
  story.n1.freeze_sender("b");
  story.set_names(story.n1, one_name);
  story.until_acknowledged(story.n1, waiting);
  story.see_senders(story.n1);
}

// The other one stands still until b's has obeyed: chance does not decide which was first.
DIFFERENTIAL(KFallsOnceTheOtherWalsenderHasObeyed) {
  begin(story, two_names);
  const int waiting = commit_on_b_alone(story);
  story.n1.freeze_sender("a");
  story.set_names(story.n1, one_name);
  story.until_sync_state(story.n1, "b", "async");
  story.n1.thaw_sender("a");
  see_that_it_waits(story, waiting);
}

// A walsender that has begun to read a reply handles it with the names of before, whatever SIGHUP
// came meanwhile: its k of one is satisfied by b, which is counted already.
DIFFERENTIAL(KRisesBesideAWalsenderInsideAReply) {
  begin(story, one_name);
  story.n2.cut_reply();
  story.until("a reply of n2 is there in part", [&] { return story.n2.reply_is_cut(); });
  story.set_names(story.n1, two_names);
  story.until_sync_state(story.n1, "b", "quorum");
  const int waiting = commit_on_b_alone(story);
  story.n2.complete_reply();
  story.until_acknowledged(story.n1, waiting);
  story.see_senders(story.n1);
}

// One that was stopped while it had nothing to do reads the names before the replies that wait.
DIFFERENTIAL(KRisesBesideAWalsenderThatWasIdle) {
  begin(story, one_name);
  story.n1.freeze_sender("a");
  story.set_names(story.n1, two_names);
  story.until_sync_state(story.n1, "b", "quorum");
  const int waiting = commit_on_b_alone(story);
  story.n1.thaw_sender("a");
  see_that_it_waits(story, waiting);
}

}  // namespace
}  // namespace evergres::differential
