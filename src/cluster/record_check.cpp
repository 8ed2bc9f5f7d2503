#include <algorithm>

#include "cluster/cluster_store.hpp"
#include "core/loss.hpp"

/// What every record must fulfil by itself, whoever wrote it. No rule of the protocol is checked
/// here that compares two records: that is core/'s work.
namespace evergres::cluster {
namespace {

constexpr std::size_t max_members = 64;
constexpr std::size_t max_unproven = 64;
constexpr std::size_t max_lineage = 4096;
constexpr std::size_t max_id = 64;
constexpr std::size_t max_sentence = 4096;
constexpr std::uint64_t longest_lease_ms = 86'400'000;

Outcome invalid(std::string detail) {
  return Error(ErrorCode::data_invalid, "the record contradicts itself", std::move(detail));
}

/// Letters and digits only, because ids become parts of application and file names.
bool is_id(std::string_view text) {
  return text.size() <= max_id && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-';
         });
}

bool is_seat(const core::Seat& seat) {
  return is_node_name(seat.node.value) && is_id(seat.incarnation.value);
}

Outcome check_policy(const core::Policy& policy, const std::string& where) {
  // Before bootstrap nobody leads and the current policy is empty.
  const bool nobody = policy.leader.node.empty() && policy.voters.empty() && policy.k == 0;
  if (!nobody && !is_seat(policy.leader)) return invalid(where + ".leader is no node.");
  if (policy.voters.size() > max_members) return invalid(where + ".voters has too many members.");
  if (!std::ranges::all_of(policy.voters, is_seat)) {
    return invalid(where + ".voters holds something that is no node.");
  }
  const auto not_ascending = [](const core::Seat& left, const core::Seat& right) {
    return !(left < right);
  };
  if (std::ranges::adjacent_find(policy.voters, not_ascending) != policy.voters.end()) {
    return invalid(where + ".voters is not sorted, or names a seat twice.");
  }
  const auto is_leader = [&](const core::Seat& seat) { return seat.node == policy.leader.node; };
  if (std::ranges::any_of(policy.voters, is_leader)) {
    return invalid(where + ".voters contains the leader.");
  }
  if (policy.k > policy.voters.size() || (policy.k == 0) != policy.voters.empty()) {
    return invalid(where + ".k is " + std::to_string(policy.k) + " with " +
                   std::to_string(policy.voters.size()) + " voters.");
  }
  if (policy.mode == core::Durability::async && !policy.voters.empty()) {
    return invalid(where + " is async and has voters.");
  }
  return {};
}

Outcome check_lineage(const std::vector<core::Lineage>& lineage) {
  if (lineage.size() > max_lineage) return invalid("record.lineage has too many timelines.");
  const core::Lineage* before = nullptr;
  for (const auto& one : lineage) {
    const std::string where = "record.lineage at timeline " + std::to_string(one.timeline.value);
    if (one.timeline.value == 0 || !is_node_name(one.node.value)) {
      return invalid(where + " has no timeline or no node.");
    }
    if (one.parent >= one.timeline) return invalid(where + " descends from a later timeline.");
    if (before != nullptr && (one.timeline <= before->timeline || one.term < before->term)) {
      return invalid(where + " does not ascend.");
    }
    before = &one;
  }
  return {};
}

Outcome check_names(const core::Record& record) {
  if (!is_id(record.cluster_id.value) || !is_id(record.claim.value)) {
    return invalid("record.cluster_id or record.claim is no id.");
  }
  if (!record.claimant.empty() && !is_node_name(record.claimant.value)) {
    return invalid("record.claimant is no node name.");
  }
  if (record.leader && !is_seat(*record.leader)) return invalid("record.leader is no node.");
  if (record.members.size() > max_members) return invalid("record.members has too many names.");
  const auto is_name = [](const NodeName& name) { return is_node_name(name.value); };
  if (!std::ranges::all_of(record.members, is_name)) {
    return invalid("record.members holds something that is no node name.");
  }
  if (std::ranges::adjacent_find(record.members, std::greater_equal<>()) != record.members.end()) {
    return invalid("record.members is not sorted, or names a node twice.");
  }
  if (record.why.size() > max_sentence) return invalid("record.why is too long.");
  if (record.loss && !is_seat(record.loss->leader))
    return invalid("record.loss.leader is no node.");
  const auto& losses = record.earlier_losses;
  const auto is_sound = [](const core::Loss& loss) { return is_seat(loss.leader); };
  if (losses && (losses->size() > max_members || !std::ranges::all_of(*losses, is_sound)))
    return invalid("record.earlier_losses has too many, or a leader that is no node.");
  if (record.lease_ms && (*record.lease_ms == 0 || *record.lease_ms > longest_lease_ms))
    return invalid("record.lease_ms is no lease.");
  if (!record.request) return {};
  if (!is_id(record.request->id)) return invalid("record.request.id is no id.");
  if (record.request->to && !is_name(*record.request->to)) {
    return invalid("record.request.to is no node name.");
  }
  return {};
}

Outcome check_hand_fences(const core::Record& record) {
  if (!record.hand_fences) return {};
  const auto& fences = *record.hand_fences;
  if (fences.size() > max_members) return invalid("record.hand_fences has too many nodes.");
  for (std::size_t i = 0; i < fences.size(); ++i) {
    if (!is_node_name(fences[i].node.value))
      return invalid("record.hand_fences holds something that is no node name.");
    if (fences[i].who.size() > max_sentence || fences[i].why.size() > max_sentence)
      return invalid("record.hand_fences holds a text that is too long.");
    if (i > 0 && !(fences[i - 1].node < fences[i].node))
      return invalid("record.hand_fences is not sorted, or names a node twice.");
  }
  return {};
}

Outcome check_leaderships(const core::Record& record) {
  if (!record.leaderships) return {};
  const auto& list = *record.leaderships;
  if (list.size() > max_members) return invalid("record.leaderships has too many.");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool ascends = i == 0 || list[i - 1].term <= list[i].after;
    if (list[i].after >= list[i].term || !ascends || list[i].term > record.term)
      return invalid("record.leaderships is not in order.");
  }
  return {};
}

}  // namespace

Outcome check_record(const core::Record& record) {
  if (auto names = check_names(record); !names) return names;
  if (auto current = check_policy(record.policy.current, "record.policy.current"); !current) {
    return current;
  }
  if (record.policy.unproven.size() > max_unproven) {
    return invalid("record.policy.unproven has too many policies.");
  }
  for (std::size_t index = 0; index < record.policy.unproven.size(); ++index) {
    const std::string where = "record.policy.unproven[" + std::to_string(index) + "]";
    if (auto one = check_policy(record.policy.unproven[index], where); !one) return one;
  }
  if (core::some_async(record.policy) && !record.lease_ms) {
    return invalid("record.policy has an async policy, and there is no record.lease_ms.");
  }
  if (auto lineage = check_lineage(record.lineage); !lineage) return lineage;
  if (auto fences = check_hand_fences(record); !fences) return fences;
  if (auto leaderships = check_leaderships(record); !leaderships) return leaderships;
  if (record.phase == core::Phase::leading && !record.leader) {
    return invalid("record.phase is leading, but record.leader is nobody.");
  }
  return {};
}

}  // namespace evergres::cluster
