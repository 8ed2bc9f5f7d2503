#include "core/tags.hpp"

#include <charconv>

namespace evergres::core {

Tags tags_from(const std::map<std::string, std::string>& texts) {
  const auto text = [&](const char* name) {
    const auto found = texts.find(name);
    return found == texts.end() ? std::string() : found->second;
  };
  Tags tags;
  tags.nosync = text("nosync") == "true";
  tags.clonefrom = text("clonefrom") == "true";
  tags.zone = text("zone");
  if (const std::string upstream = text("replicatefrom"); !upstream.empty()) {
    tags.replicatefrom = NodeName{upstream};
  }
  const std::string priority = text("failover_priority");
  std::from_chars(priority.data(), priority.data() + priority.size(), tags.failover_priority);
  tags.nofailover = text("nofailover") == "true" || tags.failover_priority == 0;
  return tags;
}

std::optional<std::string> why_not_vote(const Tags& tags) {
  if (tags.replicatefrom) return "it is tagged replicatefrom: " + tags.replicatefrom->value;
  if (tags.nosync) return "it is tagged nosync";
  return std::nullopt;
}

}  // namespace evergres::core
