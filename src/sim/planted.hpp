#pragma once

#include <array>
#include <set>
#include <string_view>

#include "base/field.hpp"

namespace evergres::sim {

/// Mistakes that can be planted into a world, one rule of PROTOCOL.md broken by each: a simulator
/// that does not find them proves nothing. They change what surrounds the deciding code (its
/// inputs, its orders and how they are carried out), never that code itself. The last ones are
/// negative controls: worlds in which a promise cannot hold.
enum class Bug {
  skip_the_fence,
  read_before_the_cut,
  running_counts_as_stopped,
  lsn_without_term,
  too_few_fenced,
  own_timeline_id,
  open_before_the_barrier,
  names_through_empty,
  one_slot_for_unproven,
  names_without_term,
  same_incarnation_after_rewind,
  no_end_of_grant,
  start_as_primary,
  attach_without_comparing,
  probe_with_only_an_xid,
  apply_before_recording,
  conninfo_copied_early,
  restart_keeps_names,
  proof_without_senders,
  claim_outlives_its_run,
  claim_whatever_stands,
  forget_what_began,
  fsync_off,
  async_taken_for_quorum,
};
constexpr auto words(const Bug*) {
  return std::array{
      Word{"skip_the_fence", Bug::skip_the_fence},
      Word{"read_before_the_cut", Bug::read_before_the_cut},
      Word{"running_counts_as_stopped", Bug::running_counts_as_stopped},
      Word{"lsn_without_term", Bug::lsn_without_term},
      Word{"too_few_fenced", Bug::too_few_fenced},
      Word{"own_timeline_id", Bug::own_timeline_id},
      Word{"open_before_the_barrier", Bug::open_before_the_barrier},
      Word{"names_through_empty", Bug::names_through_empty},
      Word{"one_slot_for_unproven", Bug::one_slot_for_unproven},
      Word{"names_without_term", Bug::names_without_term},
      Word{"same_incarnation_after_rewind", Bug::same_incarnation_after_rewind},
      Word{"no_end_of_grant", Bug::no_end_of_grant},
      Word{"start_as_primary", Bug::start_as_primary},
      Word{"attach_without_comparing", Bug::attach_without_comparing},
      Word{"probe_with_only_an_xid", Bug::probe_with_only_an_xid},
      Word{"apply_before_recording", Bug::apply_before_recording},
      Word{"conninfo_copied_early", Bug::conninfo_copied_early},
      Word{"restart_keeps_names", Bug::restart_keeps_names},
      Word{"proof_without_senders", Bug::proof_without_senders},
      Word{"claim_outlives_its_run", Bug::claim_outlives_its_run},
      Word{"claim_whatever_stands", Bug::claim_whatever_stands},
      Word{"forget_what_began", Bug::forget_what_began},
      Word{"fsync_off", Bug::fsync_off},
      Word{"async_taken_for_quorum", Bug::async_taken_for_quorum}};
}
using Planted = std::set<Bug>;

}  // namespace evergres::sim
