#include "core/record.hpp"

namespace evergres::core {

std::string application_name(const Seat& seat, Term term) {
  std::string name = "evg_" + seat.node.value + "_" + seat.incarnation.value;
  return name + "_t" + std::to_string(term.value);
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

std::string synchronous_standby_names(const Policy& policy) {
  if (acknowledges_nothing(policy)) return names_nobody;
  if (policy.voters.empty()) return "";
  std::string list;
  for (const Seat& voter : policy.voters) {
    if (!list.empty()) list += ", ";
    list += '"' + application_name(voter, policy.term) + '"';
  }
  return "ANY " + std::to_string(policy.k) + " (" + list + ")";
}

}  // namespace evergres::core
