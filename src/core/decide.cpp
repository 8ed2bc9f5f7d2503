#include "core/decide.hpp"

#include <array>

#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

// Order is priority. Read it from top to bottom: nothing unsafe may start (safety), a server must
// run (server), somebody must lead (election), the leader keeps its house (leader), the others
// follow.
constexpr std::array rule_list{
    Rule{"keep_hands_off_a_lost_history",
         "A record that is older than a promise, or gone while data exists, means that the store "
         "lost history: change nothing.",
         keep_hands_off_a_lost_history},
    Rule{"keep_hands_off_foreign_data",
         "A data directory of another cluster is neither started nor replaced.",
         keep_hands_off_foreign_data},
    Rule{"stop_a_primary_without_leadership",
         "A server that is primary, or may become it, without the record naming it, is stopped.",
         stop_a_primary_without_leadership},
    Rule{"abandon_a_rebuild_that_lost_its_leader",
         "A clone or rewind from a node that no longer leads is given up.",
         abandon_a_rebuild_that_lost_its_leader},
    Rule{"fence_for_the_term_of_the_record",
         "Before anything else in a new term: promise it, cut the receiver, read the position.",
         fence_for_the_term_of_the_record},
    Rule{"stop_a_server_that_cannot_be_fenced",
         "A server that does not answer in a new term is stopped and started as a standby.",
         stop_a_server_that_cannot_be_fenced},
    Rule{"stay_out_by_hand",
         "A node that an operator fenced leaves its policy, stops, and stays so until it is put "
         "back.",
         stay_out_by_hand},
    Rule{"wait_for_the_running_operation", "One operation at a time.",
         wait_for_the_running_operation},
    Rule{"mend_altered_settings",
         "Safety settings that somebody altered behind our back are written again.",
         mend_altered_settings},
    Rule{"stop_for_the_handover",
         "In a planned handover the leader stops fast, without waiting for anybody but its heir.",
         stop_for_the_handover},
    Rule{"prepare_to_inherit", "The heir of a handover makes its slots while the leader stops.",
         prepare_to_inherit},
    Rule{"clone_on_request",
         "An operator's reinit: a node that no policy counts any more is cloned from the leader.",
         clone_on_request},
    Rule{"make_the_data_directory_anew",
         "Without a usable data directory, clone one from the open leader.",
         make_the_data_directory_anew},
    Rule{"give_up_a_failed_promotion",
         "A chosen node whose promotion failed gives the leadership back.",
         give_up_a_failed_promotion},
    Rule{"clone_what_never_starts", "A diverged server that refuses every start is cloned.",
         clone_what_never_starts},
    Rule{"start_the_server", "A stopped server is started, always as a standby without upstream.",
         start_the_server},
    Rule{"choose_the_leader",
         "The coordinator chooses the most advanced of enough fenced nodes and records its policy.",
         choose_the_leader},
    Rule{"promote_when_chosen", "The chosen node promotes its fenced server under its policy.",
         promote_when_chosen},
    Rule{"prove_the_barrier",
         "A promoted node serves only after a commit of its own was acknowledged under its policy.",
         prove_the_barrier},
    Rule{"resume_our_own_leadership",
         "A restarted agent takes over the leadership that its server never lost.",
         resume_our_own_leadership},
    Rule{"step_down_when_cut_off",
         "A leader that hears nobody while the others hear each other lets them elect.",
         step_down_when_cut_off},
    Rule{"open_the_gate", "The open leader admits applications.", open_the_gate},
    Rule{"give_every_node_a_slot", "The leader keeps WAL for every node that it knows.",
         give_every_node_a_slot},
    Rule{"release_the_wal_of_stragglers",
         "The slot of a node that no policy counts and that is further behind than its limit is "
         "dropped.",
         release_the_wal_of_stragglers},
    Rule{"hand_over_on_request", "An operator's switchover or restart of the leader is a handover.",
         hand_over_on_request},
    Rule{"record_the_wanted_durability",
         "The mode that the operator wants is recorded before any policy has it.",
         record_the_wanted_durability},
    Rule{"settle_the_policy",
         "A silent voter leaves the policy, a caught-up member enters it; recorded before applied, "
         "proven before counted.",
         settle_the_policy},
    Rule{"apply_the_settings",
         "The settings of the cluster are written on every node, and PostgreSQL reads them again.",
         apply_the_settings},
    Rule{"note_what_was_lost",
         "When a leader whose WAL was given up is read, the loss is no estimate any more.",
         note_what_was_lost},
    Rule{"allow_rewinds",
         "After a checkpoint on its timeline the leader lets diverged nodes rewind.",
         allow_rewinds},
    Rule{"add_a_member", "A node that follows the leader becomes a member.", add_a_member},
    Rule{"campaign_when_nobody_is_in_charge",
         "When nobody is in charge and enough nodes say so, take the next term.",
         campaign_when_nobody_is_in_charge},
    Rule{"wait_for_the_server", "A server that starts or stops is given its time.",
         wait_for_the_server},
    Rule{"restart_on_request", "An operator's restart of a standby.", restart_on_request},
    Rule{"rejoin_a_diverged_server",
         "A server whose WAL leaves the recorded lineage is rewound, and if that fails cloned.",
         rejoin_a_diverged_server},
    Rule{"clone_when_wal_is_gone", "A standby whose next WAL the leader no longer has is cloned.",
         clone_when_wal_is_gone},
    Rule{"start_anew_from_a_dead_timeline",
         "A standby that adopted the timeline of a leader that it never reached is restarted.",
         start_anew_from_a_dead_timeline},
    Rule{"warm_up_a_cold_standby", "A standby without SQL is restarted once it follows a leader.",
         warm_up_a_cold_standby},
    Rule{"follow_the_leader",
         "A fenced standby whose WAL fits the leader's lineage attaches to it, or to the standby "
         "that its tag names.",
         follow_the_leader},
    Rule{"keep_wal_for_our_followers", "A standby keeps WAL for the nodes that stream from it.",
         keep_wal_for_our_followers},
    Rule{"keep_permanent_slots",
         "The slots that the operator declared are on the leader, and the physical ones on whoever "
         "may lead, never ahead of the leader's.",
         keep_permanent_slots},
    Rule{"carry_on", "Nothing to do.", carry_on},
};
static_assert(rule_list.back().judge == carry_on, "the last rule always answers");

}  // namespace

std::span<const Rule> rules() {
  return rule_list;
}

Decision decide(const Situation& situation) {
  const Rule* rule = rule_list.data();
  auto answer = rule->judge(situation);
  while (!answer) answer = (++rule)->judge(situation);  // the last rule always answers
  return Decision{std::string(rule->name), std::move(answer->intent), std::move(answer->why),
                  std::move(answer->facts)};
}

std::string describe(const Decision& decision) {
  return decision.rule + ": " + describe(decision.intent) + ", because " + decision.why;
}

}  // namespace evergres::core
