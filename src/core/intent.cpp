#include "core/intent.hpp"

namespace evergres::core {
namespace {

std::string term_text(Term term) {
  return " in term " + std::to_string(term.value);
}
std::string timeline_text(TimelineId timeline) {
  return " on timeline " + std::to_string(timeline.value);
}

struct Describer {
  std::string operator()(const StayPut&) const { return ""; }
  std::string operator()(const Wait&) const { return ""; }
  std::string operator()(const StartServer& i) const {
    return i.without_hot_standby ? " without hot standby" : "";
  }
  std::string operator()(const ApplySettings& i) const {
    return " of generation " + std::to_string(i.generation);
  }
  std::string operator()(const StopServer& i) const { return i.orderly ? " in order" : ""; }
  std::string operator()(const RestartServer&) const { return ""; }
  std::string operator()(const Fence& i) const { return term_text(i.term); }
  std::string operator()(const ClaimTerm& i) const {
    return " after " + std::to_string(i.after.value);
  }
  std::string operator()(const Vacate& i) const { return term_text(i.term); }
  std::string operator()(const ChooseLeader& i) const {
    return " " + i.leader.node.value + timeline_text(i.timeline) + term_text(i.term) +
           " with policy \"" + describe(i.policy) + "\"" +
           (i.loss ? ", losing " + describe(*i.loss) : "") +
           (i.replace_book ? ", dropping uncovered policies" : "");
  }
  std::string operator()(const Promote& i) const {
    return timeline_text(i.timeline) + term_text(i.term);
  }
  std::string operator()(const ProveBarrier& i) const {
    return term_text(i.term) + " under \"" + describe(i.policy) + "\"";
  }
  std::string operator()(const ResumeLeadership& i) const { return term_text(i.term); }
  std::string operator()(const OpenGate& i) const { return term_text(i.term); }
  std::string operator()(const MendSettings&) const { return ""; }
  std::string operator()(const MakeSlots& i) const {
    std::string names;
    for (const NodeName& node : i.nodes) names += " " + node.value;
    for (const NodeName& node : i.drop) names += " -" + node.value;
    return names;
  }
  std::string operator()(const ReleaseSlots& i) const {
    std::string names;
    for (const NodeName& node : i.nodes) names += " of " + node.value;
    return names;
  }
  std::string operator()(const KeepSlots& i) const {
    std::string names;
    for (const PermanentSlot& slot : i.make) names += " " + slot.name;
    for (const SlotAdvance& one : i.advance) names += " " + one.name + " at " + one.to.text();
    for (const std::string& name : i.drop) names += " -" + name;
    return names;
  }
  std::string operator()(const AllowRewinds& i) const { return term_text(i.term); }
  std::string operator()(const ChangePolicy& i) const {
    return " to \"" + describe(i.policy) + "\"" + term_text(i.term);
  }
  std::string operator()(const RecordDurability& i) const {
    return " " + std::string(word_of(i.durability)) + term_text(i.term);
  }
  std::string operator()(const RecordLoss& i) const { return " of " + describe(i.loss); }
  std::string operator()(const AddMember& i) const { return " " + i.node.value; }
  std::string operator()(const BeginHandover& i) const {
    return " to " + i.heir.value + " after term " + std::to_string(i.after.value);
  }
  std::string operator()(const StopForHandover& i) const {
    return " to " + i.heir.value + term_text(i.term);
  }
  std::string operator()(const Follow& i) const {
    return " " + i.upstream.node.value + term_text(i.term) + (i.voteless ? ", voteless" : "");
  }
  std::string operator()(const Rewind& i) const {
    return " from " + i.leader.node.value + term_text(i.term);
  }
  std::string operator()(const Clone& i) const {
    return " from " + (i.from ? *i.from : i.leader.node).value + term_text(i.term);
  }
  std::string operator()(const ClearRequest&) const { return ""; }
};

}  // namespace

std::string_view kind_of(const Intent& intent) {
  return std::visit([](const auto& i) { return std::string_view(i.kind); }, intent);
}

std::string describe(const Intent& intent) {
  return std::string(kind_of(intent)) + std::visit(Describer{}, intent);
}

}  // namespace evergres::core
