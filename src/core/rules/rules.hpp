#pragma once

#include <optional>

#include "core/decide.hpp"
#include "core/view.hpp"

/// The rules, by family. Each is listed once in decide.cpp, where its place is its priority.
namespace evergres::core {

using Judgement = std::optional<Answer>;

// rules/safety.cpp
Judgement keep_hands_off_a_lost_history(const Situation& s);
Judgement keep_hands_off_foreign_data(const Situation& s);
Judgement stop_a_primary_without_leadership(const Situation& s);
Judgement abandon_a_rebuild_that_lost_its_leader(const Situation& s);
Judgement fence_for_the_term_of_the_record(const Situation& s);
Judgement stop_a_server_that_cannot_be_fenced(const Situation& s);
Judgement stay_out_by_hand(const Situation& s);
Judgement wait_for_the_running_operation(const Situation& s);
Judgement mend_altered_settings(const Situation& s);

// rules/server.cpp
Judgement clone_on_request(const Situation& s);
Judgement make_the_data_directory_anew(const Situation& s);
Judgement start_the_server(const Situation& s);
Judgement wait_for_the_server(const Situation& s);

// rules/election.cpp
Judgement stop_for_the_handover(const Situation& s);
Judgement prepare_to_inherit(const Situation& s);
Judgement choose_the_leader(const Situation& s);
Judgement give_up_a_failed_promotion(const Situation& s);
Judgement promote_when_chosen(const Situation& s);
Judgement prove_the_barrier(const Situation& s);
Judgement campaign_when_nobody_is_in_charge(const Situation& s);

// rules/leader.cpp
Judgement resume_our_own_leadership(const Situation& s);
Judgement step_down_when_cut_off(const Situation& s);
Judgement open_the_gate(const Situation& s);
Judgement give_every_node_a_slot(const Situation& s);
Judgement release_the_wal_of_stragglers(const Situation& s);
Judgement hand_over_on_request(const Situation& s);
Judgement record_the_wanted_durability(const Situation& s);
Judgement settle_the_policy(const Situation& s);
Judgement apply_the_settings(const Situation& s);
Judgement note_what_was_lost(const Situation& s);
Judgement allow_rewinds(const Situation& s);
Judgement add_a_member(const Situation& s);

// rules/follower.cpp
Judgement restart_on_request(const Situation& s);
Judgement start_anew_from_a_dead_timeline(const Situation& s);
Judgement warm_up_a_cold_standby(const Situation& s);
Judgement follow_the_leader(const Situation& s);
Judgement keep_wal_for_our_followers(const Situation& s);
Judgement clone_when_wal_is_gone(const Situation& s);
Judgement clone_what_never_starts(const Situation& s);
Judgement rejoin_a_diverged_server(const Situation& s);

// rules/slots.cpp
Judgement keep_permanent_slots(const Situation& s);

Judgement carry_on(const Situation& s);

}  // namespace evergres::core
