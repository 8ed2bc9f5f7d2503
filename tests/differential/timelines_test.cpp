#include "differential/story.hpp"

/// Promotions, timelines, and who may follow whom.
namespace evergres::differential {
namespace {

const std::string nobody = "ANY 1 (\"~nobody\")";
const std::string a_name = "ANY 1 (\"a\")";

// Nothing is wrong with the standby but that its startup process does not get on. Its receiver goes
// on meanwhile, and what it flushes counts.
DIFFERENTIAL(APromotionTakesEffectAfterItsAskerGaveUp) {
  story.lead(story.n1, a_name);
  story.follow(story.n2, story.n1, "a");
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.n2.freeze(Part::startup);
  story.until_acknowledged(story.n1, story.n1.commit());
  story.say(story.n2.promote_and_wait() ? "promoted" : "not promoted");
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m2", story.n1);
  story.see(story.n2);
  story.n2.thaw(Part::startup);
  story.until_life(story.n2, "primary");
  story.see(story.n2);
  story.see_histories(story.n2);
  story.until_no_sender(story.n1, "a");
}

DIFFERENTIAL(PlaceholdersReserveIds) {
  story.start(story.n1);
  story.n1.reserve(TimelineId{4});
  story.promote(story.n1);
  story.mark("m1", story.n1);
  story.see(story.n1);
  story.see_histories(story.n1);
  story.n1.kill_everything();
  story.start(story.n1);
  story.see(story.n1);
  story.lead(story.n2, nobody);
  story.see(story.n2);
}

// It names no ancestors: no WAL is on the way to it.
DIFFERENTIAL(ALeftoverPlaceholderIsFatal) {
  story.lead(story.n1, "");
  story.n1.checkpoint();
  story.n1.reserve(TimelineId{4});
  story.n1.kill_everything();
  story.start(story.n1);
}

// A standby seeks its last checkpoint on that timeline, and goes on seeking.
DIFFERENTIAL(AStandbyWithALeftoverPlaceholderStartsForEver) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.n2.stop_immediately();
  story.n2.reserve(TimelineId{4});
  story.n2.start();
  story.commit(story.n1);
  story.mark("m2", story.n1);
  story.until_replayed(story.n3, "m2");
  story.n3.stop_immediately();
  story.start(story.n3);
  story.until_life(story.n2, "starting");
}

DIFFERENTIAL(EverybodyFollowsASwitchover) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.say(story.n1.stop_fast(Millis{60'000}) ? "stopped cleanly" : "killed");
  story.mark("end", story.n1);
  story.until_replayed(story.n2, "end");
  story.until_replayed(story.n3, "end");
  story.promote(story.n2);
  story.n3.write_upstream(Upstream{"n2", "b"});
  story.follow(story.n1, story.n2, "c");
  story.until_streaming(story.n2, "b");
  story.set_names(story.n2, "ANY 2 (\"b\", \"c\")");
  story.until_acknowledged(story.n2, story.n2.commit());
  story.mark("m1", story.n2);
  for (Server* server : {&story.n1, &story.n3}) {
    story.until_replayed(*server, "m1");
    story.see(*server);
    story.see_receiver(*server);
    story.see_histories(*server);
  }
  story.see_senders(story.n2);
}

DIFFERENTIAL(ACascadeFollowsThePromotionOfItsUpstream) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n2, "b");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n3, "m1");
  story.n1.kill_everything();
  story.promote(story.n2);
  story.commit(story.n2);
  story.set_names(story.n2, "ANY 1 (\"b\")");
  story.until_acknowledged(story.n2, story.n2.commit());
  story.mark("m2", story.n2);
  story.until_replayed(story.n3, "m2");
  story.see(story.n3);
  story.see_histories(story.n3);
}

/// n1 leads, n2 has a copy up to "fork", n1 goes on to "tail" and dies; n2 leads from "fork" on.
void diverge(Story& story, bool checkpoint_behind_the_fork) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.commit(story.n1);
  story.n1.checkpoint();
  story.mark("fork", story.n1);
  story.until_replayed(story.n2, "fork");
  story.n2.kill_everything();
  for (int i = 0; i < 5; ++i) story.commit(story.n1);
  if (checkpoint_behind_the_fork) story.n1.checkpoint();
  story.mark("tail", story.n1);
  story.n1.kill_everything();
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.promote(story.n2);
  story.see_histories(story.n2);
}

// It attaches within the segment of the fork, and has the new history file from then on.
DIFFERENTIAL(ADivergedServerThatAttachedOnceStartsNeverAgain) {
  diverge(story, true);
  story.n1.write_upstream(Upstream{"n2", "b"});
  story.start(story.n1);
  story.until("n1 has the history of timeline 3", [&] { return story.n1.histories().size() == 2; });
  story.see(story.n1);
  story.see_histories(story.n1);
  story.n1.kill_everything();
  story.start(story.n1);
}

// A crashed primary recovers from its last checkpoint, and what lies behind that may be on another
// timeline; as a standby it has recovered up to the end of it.
DIFFERENTIAL(ADivergedServerStartsOnceIfItsCheckpointIsBeforeTheFork) {
  diverge(story, false);
  story.n1.take_histories(story.n2);
  story.start(story.n1);
  story.see(story.n1);
  story.n1.kill_everything();
  story.start(story.n1);
}

DIFFERENTIAL(ARewoundServerFollows) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.commit(story.n1);
  story.mark("fork", story.n1);
  story.until_replayed(story.n2, "fork");
  story.n2.kill_everything();
  for (int i = 0; i < 5; ++i) story.commit(story.n1);
  story.say(story.n1.stop_fast(Millis{60'000}) ? "stopped cleanly" : "killed");
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.promote(story.n2);
  story.n2.checkpoint();
  story.say(story.n1.rewind(story.n2) ? "rewound" : "not rewound");
  story.follow(story.n1, story.n2, "b");
  story.set_names(story.n2, "ANY 1 (\"b\")");
  story.until_acknowledged(story.n2, story.n2.commit());
  story.mark("m1", story.n2);
  story.until_replayed(story.n1, "m1");
  story.see(story.n1);
  story.see_histories(story.n1);
}

DIFFERENTIAL(AClonedServerFollows) {
  story.lead(story.n1, "");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.say(story.n3.clone(story.n1) ? "cloned" : "not cloned");
  story.follow(story.n3, story.n1, "c");
  story.see(story.n3);
  story.promote(story.n3);
  story.commit(story.n3);
  story.see(story.n3);
}

/// Stopped as a primary it starts as a standby, and is promoted again.
void start_again_as_primary(Story& story, Server& server) {
  server.kill_everything();
  story.start(server);
  story.promote(server);
}

void promote_again(Story& story, Server& server) {
  start_again_as_primary(story, server);
  story.commit(server);
}

/// n2 followed n1 up to the mark m1 and is down; n1 was promoted twice since.
void stay_behind_two_promotions(Story& story) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.n2.kill_everything();
  promote_again(story, story.n1);
  promote_again(story, story.n1);
}

// The file of its newest timeline names all ancestors; it needs no other one to start.
DIFFERENTIAL(AServerWhoseHistoriesHaveAGapStartsAndFollows) {
  story.lead(story.n1, "");
  story.commit(story.n1);
  story.follow(story.n2, story.n1, "a");
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  promote_again(story, story.n1);
  promote_again(story, story.n1);
  story.n1.checkpoint();
  story.mark("m2", story.n1);
  story.until_replayed(story.n2, "m2");
  story.see_histories(story.n2);
  story.n2.checkpoint();
  story.n2.kill_everything();
  story.n2.lose_history(TimelineId{3});
  story.start(story.n2);
  story.see(story.n2);
  story.until_streaming(story.n1, "a");
  story.set_names(story.n1, a_name);
  story.until_acknowledged(story.n1, story.n1.commit());
  story.see_histories(story.n2);
  start_again_as_primary(story, story.n1);
  story.until_acknowledged(story.n1, story.n1.commit());  // by n2, which may be there already
  story.until_streaming(story.n1, "a");
  story.mark("m3", story.n1);
  story.until_replayed(story.n2, "m3");
  story.see(story.n2);
  story.see_histories(story.n2);
}

// The newest timeline is sought from the own one upwards, and not behind an id without a file.
DIFFERENTIAL(ATimelineBehindAGapIsNotSeenUntilTheGapIsFilled) {
  stay_behind_two_promotions(story);
  story.mark("m2", story.n1);
  story.n2.take_histories(story.n1);
  story.n2.lose_history(TimelineId{3});
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.see(story.n2);
  story.see_histories(story.n2);
  story.n2.write_upstream(Upstream{"n1", "a"});
  story.until_streaming(story.n1, "a");
  story.until_replayed(story.n2, "m2");
  story.see(story.n2);
  story.see_histories(story.n2);
}

// A standby that loses its power after its receiver has fetched the history of a sibling, and
// before that of a child.
DIFFERENTIAL(AStandbyThatHasTheHistoryOfASiblingDoesNotStartBeforeItIsForgotten) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n3, "m1");
  story.n3.kill_everything();
  story.commit(story.n1);
  story.n1.checkpoint();
  story.mark("m2", story.n1);
  story.until_replayed(story.n2, "m2");
  story.n2.checkpoint();
  story.n2.kill_everything();
  story.n3.write_upstream(std::nullopt);
  story.start(story.n3);
  story.promote(story.n3);
  story.n2.take_histories(story.n3);
  story.start(story.n2);
  story.see_histories(story.n2);
  story.n2.forget_what_is_no_child(false);
  story.see_histories(story.n2);
  story.start(story.n2);
  story.until_streaming(story.n1, "a");
  story.mark("m3", story.n1);
  story.until_replayed(story.n2, "m3");
  story.see(story.n2);
  story.n2.kill_everything();
  story.n2.forget_what_is_no_child(false);
  story.see_histories(story.n2);
}

// Two timelines leave that of the last checkpoint: the newer one is followed, and what was received
// on the other is not replayed any more.
DIFFERENTIAL(WhatWasReceivedOnASiblingOfTheNewestTimelineIsNotReplayed) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.until_replayed(story.n3, "m1");
  story.n3.kill_everything();
  promote_again(story, story.n1);
  story.mark("m2", story.n1);
  story.until_replayed(story.n2, "m2");
  story.n2.kill_everything();
  story.n3.write_upstream(std::nullopt);
  story.start(story.n3);
  story.n3.reserve(TimelineId{4});
  story.promote(story.n3);
  story.n2.take_histories(story.n3);
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.see(story.n2);
  story.promote(story.n2);
  story.see_histories(story.n2);
}

// Recovery follows the newest timeline of which it has the history, also if nothing of it ever
// came. A timeline that leaves the one before is no child of it: nothing is streamed until the next
// start.
DIFFERENTIAL(ATimelineThatWasNeverReachedIsFollowedUntilTheNextStart) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.until_replayed(story.n3, "m1");
  story.n2.kill_everything();
  story.n3.kill_everything();
  story.commit(story.n1);
  promote_again(story, story.n1);
  story.n2.take_histories(story.n1);
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.n3.write_upstream(std::nullopt);
  story.start(story.n3);
  story.n3.reserve(TimelineId{4});
  story.promote(story.n3);
  story.commit(story.n3);
  story.n2.write_upstream(Upstream{"n3", "a"});
  story.until_refused(story.n2, "branch");
  story.see(story.n2);
  story.n2.kill_everything();
  story.start(story.n2);
  story.until_streaming(story.n3, "a");
  story.mark("m2", story.n3);
  story.until_replayed(story.n2, "m2");
  story.see(story.n2);
  story.see_histories(story.n2);
}

// A clone has the history of one timeline. Whoever needs an older file from it gets no WAL.
DIFFERENTIAL(ACloneCannotGiveTheHistoriesOfBefore) {
  stay_behind_two_promotions(story);
  story.say(story.n3.clone(story.n1) ? "cloned" : "not cloned");
  story.see_histories(story.n3);
  story.n1.kill_everything();
  story.start(story.n3);
  story.promote(story.n3);
  story.see_histories(story.n3);
  story.n2.write_upstream(Upstream{"n3", "a"});
  story.start(story.n2);
  story.until_refused(story.n2, "history");
  story.see(story.n2);
  story.see_histories(story.n2);
}

// A standby that knows of a timeline which leaves its own further on, and is promoted before it
// gets there: its history goes backwards, and nobody who is still behind can follow it.
DIFFERENTIAL(PromotedBeforeAForkThatItKnows) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m0", story.n1);
  story.until_replayed(story.n2, "m0");
  story.n2.kill_everything();
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n3, "m1");
  story.n3.kill_everything();
  story.commit(story.n1);
  story.mark("m2", story.n1);
  story.n1.kill_everything();
  story.start(story.n1);
  story.promote(story.n1);
  story.see_histories(story.n1);
  story.n1.kill_everything();
  story.n3.take_histories(story.n1);
  story.n3.write_upstream(std::nullopt);
  story.start(story.n3);
  story.until_replayed(story.n3, "m1");
  story.see(story.n3);
  story.promote(story.n3);
  story.see_histories(story.n3);
  story.n2.write_upstream(Upstream{"n3", "c"});
  story.start(story.n2);
  story.until_refused(story.n2, "removed");
  story.see(story.n2);
}

// A standby knows of a timeline that leaves its own further on, and gets its own beyond that place
// from a server that stayed there. Recovery goes on following the timeline of which it has nothing,
// and a promotion names that one as the parent of all that it has.
void stream_past_a_fork_that_is_known(Story& story) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.follow(story.n3, story.n1, "b");
  story.commit(story.n1);
  story.mark("m0", story.n1);
  story.until_replayed(story.n2, "m0");
  story.n2.write_upstream(std::nullopt);
  story.n2.end_receiver();
  story.until_no_sender(story.n1, "a");
  story.commit(story.n1);
  story.mark("m1", story.n1);
  story.until_replayed(story.n3, "m1");
  story.n3.write_upstream(std::nullopt);
  story.n3.end_receiver();
  story.until_no_sender(story.n1, "b");
  story.commit(story.n1);
  story.mark("m2", story.n1);
  story.n3.reserve(TimelineId{4});
  story.promote(story.n3);
  story.n2.write_upstream(Upstream{"n3", "a", "nowhere"});
  story.n2.reload();
  story.until_refused(story.n2, "slot");
  story.see_histories(story.n2);
  story.n2.write_upstream(Upstream{"n1", "a"});
  story.n2.reload();
  story.until_replayed(story.n2, "m2");
  story.see(story.n2);
}

DIFFERENTIAL(WhatIsStreamedPastAForkThatIsKnownCountsAsThatOfTheFork) {
  stream_past_a_fork_that_is_known(story);
  story.promote(story.n2);
  story.see_histories(story.n2);
}

// A newer timeline that comes from the own one is no child of the one that is followed.
DIFFERENTIAL(AForkThatWasPassedByIsFollowedAlsoIfANewerTimelineComes) {
  stream_past_a_fork_that_is_known(story);
  story.n1.kill_everything();
  story.start(story.n1);
  story.n1.reserve(TimelineId{6});
  story.promote(story.n1);
  story.until_refused(story.n2, "branch");
  story.see(story.n2);
  story.promote(story.n2);
  story.see_histories(story.n2);
}

DIFFERENTIAL(WithoutTheHistoryOfAForkThatWasPassedByTheParentIsTheOwnTimeline) {
  stream_past_a_fork_that_is_known(story);
  story.n2.stop_immediately();
  story.n2.forget_what_is_no_child(true);
  story.see_histories(story.n2);
  story.n2.write_upstream(std::nullopt);
  story.start(story.n2);
  story.see(story.n2);
  story.promote(story.n2);
  story.see_histories(story.n2);
}

}  // namespace
}  // namespace evergres::differential
