#pragma once

#include <array>
#include <set>
#include <string_view>

#include "base/field.hpp"

namespace evergres::sim {

/// Mistakes that can be planted into a world, one rule of PROTOCOL.md broken by each: a simulator
/// that does not find them proves nothing. They change what surrounds the deciding code (its
/// inputs, its orders and how they are carried out), never that code itself. Which rule each one
/// breaks says mistakes() in sim/oracle.hpp. The last ones are negative controls: worlds in which a
/// promise cannot hold.
enum class Bug {
  skip_the_fence,
  read_before_the_cut,
  running_counts_as_stopped,
  stop_leaves_children,
  lsn_without_term,
  too_few_fenced,
  majority_fences,
  old_fence_answers_count,
  own_timeline_id,
  placeholders_stay,
  open_before_the_barrier,
  gate_stays_open,
  names_through_empty,
  names_with_smaller_k,
  policy_without_proof,
  one_slot_for_unproven,
  names_without_term,
  same_incarnation_after_rewind,
  half_a_copy_counts,
  no_end_of_grant,
  counted_from_the_reply,
  start_as_primary,
  attach_without_comparing,
  probe_with_only_an_xid,
  apply_before_recording,
  conninfo_copied_early,
  restart_keeps_names,
  rests_on_empty_names,
  proof_without_senders,
  promise_ignored,
  promise_in_memory_only,
  asked_to_promote_is_forgotten,
  heir_without_the_end,
  no_pre_vote,
  older_records_are_believed,
  writes_blindly,
  silence_is_success,
  claim_outlives_its_run,
  claim_whatever_stands,
  forget_what_began,
  warnings_count_as_done,
  answers_before_the_flush,
  commits_locally,
  fsync_off,
  async_taken_for_quorum,
  async_without_a_lease,
  max_loss_ignored,
  loss_not_told,
};
constexpr auto words(const Bug*) {
  return std::array{Word{"skip_the_fence", Bug::skip_the_fence},
                    Word{"read_before_the_cut", Bug::read_before_the_cut},
                    Word{"running_counts_as_stopped", Bug::running_counts_as_stopped},
                    Word{"stop_leaves_children", Bug::stop_leaves_children},
                    Word{"lsn_without_term", Bug::lsn_without_term},
                    Word{"too_few_fenced", Bug::too_few_fenced},
                    Word{"majority_fences", Bug::majority_fences},
                    Word{"old_fence_answers_count", Bug::old_fence_answers_count},
                    Word{"own_timeline_id", Bug::own_timeline_id},
                    Word{"placeholders_stay", Bug::placeholders_stay},
                    Word{"open_before_the_barrier", Bug::open_before_the_barrier},
                    Word{"gate_stays_open", Bug::gate_stays_open},
                    Word{"names_through_empty", Bug::names_through_empty},
                    Word{"names_with_smaller_k", Bug::names_with_smaller_k},
                    Word{"policy_without_proof", Bug::policy_without_proof},
                    Word{"one_slot_for_unproven", Bug::one_slot_for_unproven},
                    Word{"names_without_term", Bug::names_without_term},
                    Word{"same_incarnation_after_rewind", Bug::same_incarnation_after_rewind},
                    Word{"half_a_copy_counts", Bug::half_a_copy_counts},
                    Word{"no_end_of_grant", Bug::no_end_of_grant},
                    Word{"counted_from_the_reply", Bug::counted_from_the_reply},
                    Word{"start_as_primary", Bug::start_as_primary},
                    Word{"attach_without_comparing", Bug::attach_without_comparing},
                    Word{"probe_with_only_an_xid", Bug::probe_with_only_an_xid},
                    Word{"apply_before_recording", Bug::apply_before_recording},
                    Word{"conninfo_copied_early", Bug::conninfo_copied_early},
                    Word{"restart_keeps_names", Bug::restart_keeps_names},
                    Word{"rests_on_empty_names", Bug::rests_on_empty_names},
                    Word{"proof_without_senders", Bug::proof_without_senders},
                    Word{"promise_ignored", Bug::promise_ignored},
                    Word{"promise_in_memory_only", Bug::promise_in_memory_only},
                    Word{"asked_to_promote_is_forgotten", Bug::asked_to_promote_is_forgotten},
                    Word{"heir_without_the_end", Bug::heir_without_the_end},
                    Word{"no_pre_vote", Bug::no_pre_vote},
                    Word{"older_records_are_believed", Bug::older_records_are_believed},
                    Word{"writes_blindly", Bug::writes_blindly},
                    Word{"silence_is_success", Bug::silence_is_success},
                    Word{"claim_outlives_its_run", Bug::claim_outlives_its_run},
                    Word{"claim_whatever_stands", Bug::claim_whatever_stands},
                    Word{"forget_what_began", Bug::forget_what_began},
                    Word{"warnings_count_as_done", Bug::warnings_count_as_done},
                    Word{"answers_before_the_flush", Bug::answers_before_the_flush},
                    Word{"commits_locally", Bug::commits_locally},
                    Word{"fsync_off", Bug::fsync_off},
                    Word{"async_taken_for_quorum", Bug::async_taken_for_quorum},
                    Word{"async_without_a_lease", Bug::async_without_a_lease},
                    Word{"max_loss_ignored", Bug::max_loss_ignored},
                    Word{"loss_not_told", Bug::loss_not_told}};
}
using Planted = std::set<Bug>;

}  // namespace evergres::sim
