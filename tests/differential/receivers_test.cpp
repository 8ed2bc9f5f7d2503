#include "differential/story.hpp"

/// Walreceivers and walsenders: where they connect to, what ends them, what they are refused.
namespace evergres::differential {
namespace {

const std::string a_name = "ANY 1 (\"a\")";

// The address is read when the receiver connects, not when it is wanted.
DIFFERENTIAL(ALateReceiverReadsTheServiceFileWhenItConnects) {
  story.lead(story.n1, "");
  story.lead(story.n3, "");
  story.start(story.n2);
  story.n2.freeze(Part::postmaster);
  story.until("no receiver is left", [&] { return !story.n2.receiver_process(); });
  story.n2.write_upstream(Upstream{"n1", "a"});
  story.n2.write_upstream(Upstream{"n3", "a"});
  story.n2.thaw(Part::postmaster);
  story.until_streaming(story.n3, "a");
  story.see_senders(story.n1);
}

DIFFERENTIAL(AReceiverThatIsEndedReadsTheServiceFileAgain) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.n2.write_upstream(Upstream{"n1", "b"});
  story.n2.end_receiver();
  story.until_streaming(story.n1, "b");
  story.until_no_sender(story.n1, "a");
  story.n2.write_upstream(std::nullopt);
  story.n2.end_receiver();
  story.until_no_sender(story.n1, "b");
  story.see_receiver(story.n2);
}

DIFFERENTIAL(APausedReplayHoldsUpNoCommitAndNoPromotion) {
  story.lead(story.n1, a_name);
  story.follow(story.n2, story.n1, "a");
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m1", story.n1);
  story.until_replayed(story.n2, "m1");
  story.n2.pause_replay();
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m2", story.n1);
  story.see(story.n2);
  story.n2.resume_replay();
  story.until_replayed(story.n2, "m2");
  story.n2.pause_replay();
  story.until_acknowledged(story.n1, story.n1.commit());
  story.mark("m3", story.n1);
  story.see(story.n2);
  story.promote(story.n2);
  story.see(story.n2);
}

DIFFERENTIAL(ASilentReceiverIsGivenUp) {
  story.lead(story.n1, "");
  story.follow(story.n2, story.n1, "a");
  story.n2.freeze(Part::everything);
  story.until_no_sender(story.n1, "a");
  story.n2.thaw(Part::everything);
  story.until_streaming(story.n1, "a");
}

DIFFERENTIAL(ASlotInUseIsNotLentTwice) {
  story.lead(story.n1, "");
  story.n1.make_slot("one");
  story.follow(story.n2, story.n1, "a", "one");
  story.n3.write_upstream(Upstream{"n1", "b", "one"});
  story.start(story.n3);
  story.until_refused(story.n3, "slot");
  story.see_senders(story.n1);
  story.n2.kill_everything();
  story.until_streaming(story.n1, "b");
  story.see_senders(story.n1);
}

DIFFERENTIAL(ASlotThatIsMissingRefuses) {
  story.lead(story.n1, "");
  story.n2.write_upstream(Upstream{"n1", "a", "none"});
  story.start(story.n2);
  story.until_refused(story.n2, "slot");
  story.n1.make_slot("none");
  story.until_streaming(story.n1, "a");
}

}  // namespace
}  // namespace evergres::differential
