#include "core/record.hpp"

#include <algorithm>

namespace evergres::core {
namespace {

std::string name_of_seat(const char* prefix, const Seat& seat, Term term) {
  return prefix + seat.node.value + "_" + seat.incarnation.value + "_t" +
         std::to_string(term.value);
}

}  // namespace

std::string application_name(const Seat& seat, Term term) {
  return name_of_seat("evg_", seat, term);
}

std::string voteless_name(const Seat& seat, Term term) {
  return name_of_seat("evgc_", seat, term);
}

const HandFence* hand_fence(const Record& record, const NodeName& node) {
  if (!record.hand_fences) return nullptr;
  const auto found = std::find_if(record.hand_fences->begin(), record.hand_fences->end(),
                                  [&](const HandFence& fence) { return fence.node == node; });
  return found == record.hand_fences->end() ? nullptr : &*found;
}

std::string slot_name(const NodeName& node) {
  std::string name = "evg_" + node.value;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

bool acknowledges_nothing(const Policy& policy) {
  return policy.mode == Durability::strict && policy.voters.empty();
}

std::vector<std::string> voter_names(const Policy& policy) {
  std::vector<std::string> names;
  for (const Seat& voter : policy.voters) names.push_back(application_name(voter, policy.term));
  return names;
}

std::string synchronous_standby_names(const Policy& policy) {
  if (acknowledges_nothing(policy)) return names_nobody;
  if (policy.voters.empty()) return "";
  std::string list;
  for (const std::string& name : voter_names(policy)) {
    if (!list.empty()) list += ", ";
    list += '"' + name + '"';
  }
  return "ANY " + std::to_string(policy.k) + " (" + list + ")";
}

}  // namespace evergres::core
