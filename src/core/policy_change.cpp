#include <algorithm>

#include "core/view.hpp"

namespace evergres::core {
namespace {

constexpr std::uint64_t caught_up_bytes = 1U << 20U;

Millis age(const Situation& s, Instant at) {
  return std::chrono::duration_cast<Millis>(s.now - at);
}

/// The walsender of a seat under its name of this term, if it streams and was answered lately.
const Sender* lively_sender(const Situation& s, const Seat& seat) {
  const std::string name = application_name(seat, s.record->term);
  for (const Sender& sender : s.server.senders) {
    if (sender.application_name != name || !sender.streaming) continue;
    return sender.reply_age < s.tuning.voter_timeout ? &sender : nullptr;
  }
  return nullptr;
}

/// A voter that has not acknowledged under its voter name for voter_timeout. One that entered a
/// moment ago is judged by the same walsender by which it entered, or it would leave again at once.
bool is_silent(const Situation& s, const Seat& voter, const Peer* peer) {
  if (s.leading_since && age(s, *s.leading_since) < s.tuning.voter_timeout) return false;
  if (lively_sender(s, voter) != nullptr) return false;
  if (peer == nullptr || !peer->acknowledged_at) return true;
  return age(s, *peer->acknowledged_at) >= s.tuning.voter_timeout;
}

bool is_caught_up(const Situation& s, const Heartbeat& said) {
  if (!said.receiving || !said.position || !s.server.position) return false;
  const bool follows_us =
      said.upstream && said.upstream->node == s.me && said.upstream->term == s.record->term;
  if (!follows_us || said.position->timeline != s.server.position->timeline) return false;
  const Sender* sender = lively_sender(s, said.seat);
  return sender != nullptr &&
         bytes_between(sender->flush, s.server.position->lsn) <= caught_up_bytes;
}

bool is_member(const Record& record, const NodeName& node) {
  return std::binary_search(record.members.begin(), record.members.end(), node);
}

void add_reason(std::string& why, const std::string& reason) {
  why += (why.empty() ? "" : "; ") + reason;
}

/// Why a voter of the policy has to go; empty if it stays.
std::string reason_to_leave(const Situation& s, const Seat& voter, const Peer* peer) {
  const Heartbeat* said = fresh_word(s, voter.node);
  if (said != nullptr && !said->seat.incarnation.empty() && said->seat != voter) {
    return voter.node.value + " is a new incarnation";
  }
  if (is_to_be_made_anew(s, voter.node)) return voter.node.value + " is to be cloned anew";
  if (const auto wish = why_not_voter(s, voter.node)) return voter.node.value + ": " + *wish;
  if (is_silent(s, voter, peer)) return voter.node.value + " has been silent for voter_timeout";
  return {};
}

/// A tag is the one reason why it has to go.
bool is_only_tagged_out(const Situation& s, const Seat& voter, const Peer* peer) {
  const Heartbeat* said = fresh_word(s, voter.node);
  const bool same = said != nullptr && said->seat == voter;
  return same && !is_to_be_made_anew(s, voter.node) &&
         hand_fence(*s.record, voter.node) == nullptr && why_not_vote(tags_of(s, voter.node)) &&
         !is_silent(s, voter, peer);
}

/// A node that must not lead votes only where others are missing: else a commit could be on it
/// alone, and nobody could lead with it. Those that vote already stay first.
void keep_few_reluctant(const Situation& s, std::vector<Seat>& voters,
                        std::vector<Seat>& entering) {
  const auto must_not_lead = [&](const Seat& seat) { return tags_of(s, seat.node).nofailover; };
  const auto willing = [&](const std::vector<Seat>& seats) {
    return static_cast<std::size_t>(seats.size()) -
           static_cast<std::size_t>(std::count_if(seats.begin(), seats.end(), must_not_lead));
  };
  const std::size_t wanted = std::max(s.wanted.acknowledgements, 1U);
  const std::size_t others = willing(voters) + willing(entering);
  std::size_t room = others < wanted ? wanted - others : 0;
  for (auto* seats : {&voters, &entering}) {
    std::erase_if(*seats, [&](const Seat& seat) {
      if (!must_not_lead(seat)) return false;
      const bool stays = room > 0;
      room -= stays ? 1 : 0;
      return !stays;
    });
  }
}

/// Members that have caught up, do not vote, and may. A voter that leaves with this very change is
/// none of them: whatever makes it leave keeps it out here too.
std::vector<Seat> could_enter(const Situation& s, const std::vector<Seat>& voters) {
  std::vector<Seat> entering;
  for (const auto& [name, peer] : s.peers) {
    const Heartbeat* said = fresh_word(s, name);
    if (said == nullptr || !is_member(*s.record, name) || !is_caught_up(s, *said)) continue;
    if (is_to_be_made_anew(s, name) || why_not_voter(s, name)) continue;
    const auto same_node = [&node = name](const Seat& seat) { return seat.node == node; };
    if (std::any_of(voters.begin(), voters.end(), same_node)) continue;
    entering.push_back(said->seat);
  }
  return entering;
}

/// Adds to the voters that stay those that enter, and takes out whom others make superfluous.
void choose_voters(const Situation& s, std::vector<Seat>& voters, std::string& why) {
  std::vector<Seat> entering = could_enter(s, voters);
  const std::vector<Seat> staying = voters;
  keep_few_reluctant(s, voters, entering);
  for (const Seat& seat : staying) {
    if (std::find(voters.begin(), voters.end(), seat) == voters.end())
      add_reason(why, seat.node.value + " is tagged nofailover, and others suffice");
  }
  for (const Seat& seat : entering) {
    voters.push_back(seat);
    add_reason(why, seat.node.value + " streams and has caught up");
  }
}

/// Strict, and fewer than k standbys could vote: a policy that asks for k stays as it is, with its
/// silent voters, so that its writes wait; any other gives way to one that acknowledges nothing.
WantedPolicy wait_for_more(const Policy& newest, std::uint32_t k, const std::string& why) {
  WantedPolicy wanted;
  wanted.policy = newest;
  const std::string waits = "strict, and fewer than " + std::to_string(k) + " standbys could vote";
  const bool asks_for_k = newest.mode == Durability::strict && newest.k == k;
  if (asks_for_k || acknowledges_nothing(newest)) {
    wanted.held_back = waits + (why.empty() ? "" : ": " + why);
    return wanted;
  }
  wanted.policy.mode = Durability::strict;
  wanted.policy.voters.clear();
  wanted.policy.k = 0;
  wanted.why = waits;
  return wanted;
}

}  // namespace

bool may_be_the_last_to_leave(const Situation& s, const NodeName& node) {
  const auto found = s.peers.find(node);
  if (found == s.peers.end()) return true;
  const auto& moved = found->second.card_moved;
  const bool stale = !moved || age(s, *moved) >= s.tuning.voter_timeout;
  const Heartbeat* said = fresh_word(s, node);
  return stale || (said != nullptr && said->sees_somebody_in_charge);
}

WantedPolicy wanted_policy(const Situation& s) {
  WantedPolicy wanted;
  const Policy* newest = newest_policy(*s.record);
  if (newest == nullptr) return wanted;
  wanted.policy = *newest;
  auto& voters = wanted.policy.voters;
  voters.clear();
  bool all_may_leave = true;
  std::string held_back;
  const Durability mode = s.record->durability.value_or(Durability::quorum);
  const bool strict = mode == Durability::strict;
  const auto leaves = [&](const Seat& voter, const std::string& reason) {
    add_reason(wanted.why, reason);
    if (may_be_the_last_to_leave(s, voter.node)) return;
    all_may_leave = false;
    held_back = reason + ", but its card in the store still moves: it may be that we are cut off";
  };
  std::vector<Seat> tagged;  // with strict they go only when others take their place
  for (const Seat& voter : newest->voters) {
    const auto found = s.peers.find(voter.node);
    const Peer* peer = found == s.peers.end() ? nullptr : &found->second;
    const std::string reason = reason_to_leave(s, voter, peer);
    if (reason.empty()) {
      voters.push_back(voter);
    } else if (strict && is_only_tagged_out(s, voter, peer)) {
      tagged.push_back(voter);
    } else {
      leaves(voter, reason);
    }
  }
  choose_voters(s, voters, wanted.why);
  for (const Seat& voter : tagged) {
    if (voters.size() < s.wanted.acknowledgements) {
      voters.push_back(voter);
    } else {
      leaves(voter, voter.node.value + ": " + why_not_vote(tags_of(s, voter.node)).value());
    }
  }
  // Then everybody leaves, under the same condition.
  if (s.wanted.acknowledgements == 0 || mode == Durability::async) {
    for (const Seat& voter : voters) {
      if (may_be_the_last_to_leave(s, voter.node)) continue;
      all_may_leave = false;
      held_back = voter.node.value + " does not say that it regards us as leading";
    }
    voters.clear();
  }
  if (voters.empty() && !newest->voters.empty() && !all_may_leave) {
    wanted.policy = *newest;
    wanted.why.clear();
    wanted.held_back = held_back;
    return wanted;
  }
  wanted.policy.mode = mode;
  if (mode == Durability::async) wanted.why.clear();  // who comes and goes changes nothing
  if (strict && (voters.size() < s.wanted.acknowledgements || s.wanted.acknowledgements == 0)) {
    return wait_for_more(*newest, std::max(s.wanted.acknowledgements, 1U), wanted.why);
  }
  std::sort(voters.begin(), voters.end());
  wanted.policy.k =
      std::min<std::uint32_t>(s.wanted.acknowledgements, static_cast<std::uint32_t>(voters.size()));
  if (wanted.policy == *newest) wanted.why.clear();
  if (wanted.why.empty() && wanted.policy.mode != newest->mode) {
    wanted.why = "the durability is to be " + std::string(word_of(wanted.policy.mode));
  }
  if (wanted.why.empty() && wanted.policy != *newest)
    wanted.why = "the wanted number of voters changed";
  return wanted;
}

}  // namespace evergres::core
