#pragma once

#include "cohort.hpp"

/// Records on their way through a leadership: n1 is silent, n2 elects as `mine` and is chosen as
/// `other`.
namespace evergres::core::cohort {

inline const Claim mine{"mine"};
inline const Claim other{"other"};

inline Record fresh() {
  const Record claimed = claim_bootstrap(ClusterId{"c"}, NodeName{"n1"}, mine);
  return *finish_bootstrap(claimed, mine, SystemId{7}, seat(0));
}
inline Record electing() {
  return *claim_term(fresh(), NodeName{"n2"}, mine, "n1 is silent");
}
inline Choice choice_of(const Record& record, TimelineId timeline) {
  Choice choice;
  choice.leader = seat(1);
  choice.agent = other;
  choice.position = {TimelineId{1}, Lsn{90}};
  choice.policy = SmallPolicy{1, 0b100, 1}.real(record.term);
  choice.timeline = timeline;
  return choice;
}
inline Record chosen() {
  const Record record = electing();
  return *choose_leader(record, mine, choice_of(record, TimelineId{2}), false);
}
inline Record leading() {
  const Record record = chosen();
  return *open_leadership(record, other, record.policy.unproven.back(),
                          {TimelineId{2}, TimelineId{1}, Lsn{95}});
}

inline std::string refused(const Result<Record>& result) {
  return result ? "done" : result.error().message();
}

}  // namespace evergres::core::cohort
