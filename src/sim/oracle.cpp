#include "sim/oracle.hpp"

#include <algorithm>
#include <array>

#include "sim/world.hpp"

namespace evergres::sim {
namespace {

constexpr Mistake single(Bug bug, std::string_view breaks) {
  return {bug, std::nullopt, breaks};
}

// In the order of PROTOCOL.md.
constexpr std::array every_mistake{
    single(Bug::writes_blindly, "1: the record changes only through compare-and-set"),
    single(Bug::silence_is_success, "1: a lost reply is recognised, never assumed"),
    single(Bug::claim_whatever_stands, "1: a claim is for the record on which it was decided"),
    single(Bug::claim_outlives_its_run, "1: a restarted agent never continues a claim"),
    Mistake{Bug::older_records_are_believed, Bug::promise_ignored, "1: a record never goes back"},
    single(Bug::start_as_primary, "2: a server that starts is a standby"),
    single(Bug::restart_keeps_names, "2: the resting names are impossible on every start"),
    single(Bug::rests_on_empty_names, "2: the resting names are impossible, not empty"),
    Mistake{Bug::names_without_term, Bug::unfenced_ones_vote,
            "2, 3: names carry incarnation and term, and only fenced nodes are in P'"},
    single(Bug::altered_names_stay, "2: a leader whose names were altered loses its grant"),
    single(Bug::no_end_of_grant, "2: a primary without a grant is stopped"),
    single(Bug::counted_from_the_reply, "2: a grant counts from before the request was sent"),
    single(Bug::gate_stays_open, "2: the gate is closed until the barrier"),
    single(Bug::running_counts_as_stopped, "2: stopped means that no process is left"),
    single(Bug::stop_leaves_children, "2: a stop kills every child too"),
    single(Bug::placeholders_stay, "2: a start removes reserved history files"),
    single(Bug::keeps_what_is_no_child, "2: a start forgets histories that it cannot follow"),
    single(Bug::promotes_past_a_fork,
           "5.3: recovery follows no timeline that the WAL has passed by (decision 0059)"),
    Mistake{Bug::same_incarnation_after_rewind, Bug::half_a_copy_counts,
            "2: a new incarnation before a rewind or clone begins"},
    single(Bug::attach_without_comparing, "3: no voter name before the ends of WAL were compared"),
    single(Bug::apply_before_recording, "4: a policy is recorded before PostgreSQL hears of it"),
    single(Bug::one_slot_for_unproven, "4: no unproven policy is removed alone"),
    single(Bug::probe_with_only_an_xid, "4: the probe has WAL to wait for"),
    single(Bug::names_through_empty, "4: names never pass through empty"),
    single(Bug::names_with_smaller_k, "4: PostgreSQL waits for as many as the policy says"),
    single(Bug::proof_without_senders, "4: every walsender passed the probe or is gone"),
    single(Bug::policies_at_once, "4: policies that must not mix follow each other by steps"),
    single(Bug::policy_without_proof, "4: a policy counts when it is proven"),
    single(Bug::no_pre_vote, "5.1: a pre-vote before the term"),
    single(Bug::promise_ignored, "5.3: nothing below the promise"),
    single(Bug::promise_in_memory_only, "5.3: the promise is on disk first"),
    single(Bug::skip_the_fence, "5.3: the receiver is gone before the answer"),
    single(Bug::read_before_the_cut, "5.3: the position is read after the cut"),
    single(Bug::conninfo_copied_early, "5.3: the upstream's address is read at connect"),
    Mistake{Bug::asked_to_promote_is_forgotten, Bug::gate_stays_open,
            "5.3: what was asked to promote is fenced by stop and start"},
    single(Bug::too_few_fenced, "5.4: |S|-k+1 voters"),
    single(Bug::majority_fences, "5.4: |S|-k+1 voters, not a majority"),
    single(Bug::old_fence_answers_count, "5.4: answers of this term"),
    single(Bug::lsn_without_term, "5.5: first the term of the last record, then the LSN"),
    single(Bug::own_timeline_id, "5.6: the timeline is allocated in the record"),
    single(Bug::gives_out_the_next_id,
           "5.6: no promotion by hand takes an id that is given out (decision 0058)"),
    single(Bug::forget_what_began, "5.6: what began behind our back is foreign (decision 0051)"),
    single(Bug::open_before_the_barrier, "5.8: nothing opens before the barrier"),
    single(Bug::heir_without_the_end, "6: the heir has the end of the shutdown checkpoint"),
    single(Bug::old_routes_stay_open, "8: a proxy closes what is of an older term"),
    single(Bug::closed_counts_as_failed, "9: what was cut off is reported as unknown"),
    single(Bug::warnings_count_as_done, "9: a cancelled wait is reported as unknown"),
    single(Bug::async_without_a_lease, "control: async without a lease"),
    single(Bug::max_loss_ignored, "control: async that loses more than max_loss"),
    single(Bug::loss_not_told, "control: async that does not tell its loss"),
    single(Bug::answers_before_the_flush, "control: synchronous_commit = remote_write"),
    single(Bug::commits_locally, "control: synchronous_commit = local"),
    single(Bug::fsync_off, "control: fsync = off"),
    single(Bug::async_taken_for_quorum, "control: async judged as quorum"),
};

}  // namespace

std::span<const Mistake> mistakes() {
  return every_mistake;
}

std::string name_of(const Mistake& mistake) {
  std::string name(word_of(mistake.bug));
  if (mistake.with) name += "+" + std::string(word_of(*mistake.with));
  return name;
}

Planted planted(const Mistake& mistake) {
  Planted bugs{mistake.bug};
  if (mistake.with) bugs.insert(*mistake.with);
  return bugs;
}

std::optional<Mistake> mistake_called(std::string_view name) {
  const auto found = std::find_if(every_mistake.begin(), every_mistake.end(),
                                  [&](const Mistake& each) { return name_of(each) == name; });
  return found == every_mistake.end() ? std::nullopt : std::optional(*found);
}

std::optional<Catch> hunt(const Planted& bugs, std::uint64_t first, std::uint64_t most) {
  for (std::uint64_t done = 0; done < most; ++done) {
    World world(Choices::of_seed(first + done), bugs);
    const Verdict verdict = world.run();
    if (!verdict.violation.empty()) return Catch{done + 1, verdict.violation};
  }
  return std::nullopt;
}

Hunted hunt_again(const Mistake& mistake, std::uint64_t first, std::size_t hunts,
                  std::uint64_t most) {
  Hunted hunted{mistake, {}, hunts, ""};
  for (std::size_t again = 0; again < hunts; ++again) {
    const auto found = hunt(planted(mistake), first + again * most, most);
    if (!found) continue;
    const bool quickest = hunted.needed.empty() || found->seeds < hunted.needed.front();
    if (quickest) hunted.violation = found->violation;
    hunted.needed.push_back(found->seeds);
    std::sort(hunted.needed.begin(), hunted.needed.end());
  }
  return hunted;
}

std::optional<std::uint64_t> median(const Hunted& hunted) {
  const std::size_t middle = hunted.hunts / 2;
  if (middle >= hunted.needed.size()) return std::nullopt;
  return hunted.needed[middle];
}

std::optional<Teller> found_by_story(const Mistake& mistake, std::span<const Story> stories) {
  for (const Story& story : stories) {
    if (story.breaks.empty() || story.planted != planted(mistake)) continue;
    const Told told = tell(story, {});
    if (told.trouble.empty()) return Teller{story.file, told.verdict.violation};
  }
  return std::nullopt;
}

std::vector<Mistake> todays(std::uint64_t day, std::uint64_t parts) {
  std::vector<Mistake> chosen;
  for (std::size_t i = 0; i < every_mistake.size(); ++i) {
    if (i % parts == day % parts) chosen.push_back(every_mistake[i]);
  }
  return chosen;
}

}  // namespace evergres::sim
