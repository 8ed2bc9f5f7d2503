#include <algorithm>

#include "agent/control.hpp"
#include "agent/control_answer.hpp"
#include "agent/control_stages.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

/// An operator takes a node out by hand, or puts it back.
namespace evergres::agent {
namespace {

constexpr std::size_t longest_text = 200;  ///< who and why, in bytes

bool is_known(const core::Situation& s, const NodeName& node) {
  return node == s.me || s.peers.contains(node);
}

bool leads(const core::Situation& s, const NodeName& node) {
  return s.record->leader && s.record->leader->node == node;
}

/// Its agent speaks; a silent node obeys when it is back.
bool is_heard(const core::Situation& s, const NodeName& node) {
  if (node == s.me) return true;
  const auto found = s.peers.find(node);
  return found != s.peers.end() && !found->second.refused && core::is_heard(s, found->second);
}

core::ServerState server_of(const core::Situation& s, const NodeName& node) {
  if (node == s.me) return s.server.state;
  return is_heard(s, node) ? s.peers.at(node).said->server : core::ServerState::unknown;
}

std::size_t voters_without(const core::Record& record, const NodeName& node) {
  const auto& voters = record.policy.current.voters;
  return static_cast<std::size_t>(std::count_if(
      voters.begin(), voters.end(), [&](const core::Seat& voter) { return voter.node != node; }));
}

std::string impact_of(const core::Situation& s, const NodeName& node) {
  const core::Record& record = *s.record;
  std::string text = "PostgreSQL on " + node.value +
                     " is stopped and stays so until `evergres unfence " + node.value + "`. ";
  if (!is_heard(s, node)) return text + "Its agent is not heard: it obeys when it is back.";
  if (leads(s, node)) return text + "It leads: another node takes over first, as in a switchover.";
  if (!core::any_policy_counts(s, node)) return text + "No policy counts it.";
  const std::size_t left = voters_without(record, node);
  if (left == 0) {
    return text + "It leaves the policy first. Until it is back commits are on " +
           record.policy.current.leader.node.value + " alone, and nobody else may lead.";
  }
  return text + "It leaves the policy first; " + std::to_string(left) +
         (left == 1 ? " voter stays." : " voters stay.");
}

/// What is still to happen; empty when the node is out.
std::string still_to_do(const core::Situation& s, const NodeName& node) {
  const core::ServerState server = server_of(s, node);
  const bool stopped = server == core::ServerState::stopped || server == core::ServerState::absent;
  if (stopped) return {};
  const bool may_leave = s.record->policy.current.mode != core::Durability::strict ||
                         core::others_acknowledge_enough(s, node);
  if (core::any_policy_counts(s, node) && may_leave) return node.value + " leaves the policy";
  return "PostgreSQL on " + node.value + " is " + std::string(word_of(server));
}

}  // namespace

Outcome Control::check_fence(const NodeName& node, bool force) const {
  const core::Situation& s = know_.situation;
  if (!is_known(s, node)) {
    return Error(ErrorCode::not_found, "there is no node \"" + node.value + "\"", "",
                 "Run \"evergres list\" to see the nodes.");
  }
  if (const core::HandFence* fence = core::hand_fence(*s.record, node)) {
    return refusal("\"" + node.value + "\" is fenced already",
                   "By " + fence->who + (fence->why.empty() ? "." : ": " + fence->why + "."));
  }
  if (force) return {};
  if (leads(s, node)) {
    const Outcome heir = check_switchover(core::Request{});
    if (heir) return {};
    return refusal("\"" + node.value + "\" leads, and nobody can take over",
                   heir.error().message() + ". " + heir.error().detail(),
                   "With --force the database is without a primary until somebody can lead.");
  }
  const core::Policy& policy = s.record->policy.current;
  const bool votes = core::counts_node(policy, node);
  if (policy.mode == core::Durability::strict && votes &&
      !core::others_acknowledge_enough(s, node)) {
    return refusal("\"" + node.value + "\" cannot be spared",
                   "With durability strict writes would wait until it is back.",
                   "Set the durability to quorum meanwhile, or repeat with --force.");
  }
  return {};
}

net::awaitable<Control::Answer> Control::fence(const boost::json::object& request,
                                               net::LocalConversation& talk) {
  const core::Situation& s = know_.situation;
  core::HandFence fence;
  fence.node = NodeName{text_member(request, "node")};
  fence.who = text_member(request, "who").substr(0, longest_text);
  fence.why = text_member(request, "why").substr(0, longest_text);
  fence.wall_ms = wall_now_ms();
  if (fence.who.empty()) fence.who = "an operator";
  const bool force = flag_member(request, "force");
  const Outcome possible = check_fence(fence.node, force);
  if (!possible) co_return possible.error();
  if (flag_member(request, "dry_run")) co_return text_result("impact", impact_of(s, fence.node));
  const bool has_heir = leads(s, fence.node) && check_switchover(core::Request{}).ok();
  if (has_heir) {
    core::Request handover;
    handover.id = random_hex(6);
    handover.asked_wall_ms = fence.wall_ms;
    auto moving = change_leader(handover, false, talk);
    const Answer moved = co_await std::move(moving);
    if (!moved) co_return moved.error();
  }
  Hands::Transition enter = [fence, force](core::Record record) {
    return core::fence_by_hand(std::move(record), fence, force);
  };
  auto changing = change_record(std::move(enter));
  const Outcome changed = co_await std::move(changing);
  if (!changed) co_return changed.error();
  if (!flag_member(request, "wait"))
    co_return text_result("text", fence.node.value + " is fenced; its PostgreSQL is being stopped");
  auto waiting = wait_until_out(fence.node, talk);
  co_return co_await std::move(waiting);
}

net::awaitable<Control::Answer> Control::wait_until_out(NodeName node,
                                                        net::LocalConversation& talk) {
  std::function<Stage()> look_at_it = [this, node]() -> Stage {
    const core::Situation& s = look(know_, boot_now());
    const std::string fenced = node.value + " is fenced";
    const bool recorded = core::hand_fence(*s.record, node) != nullptr;
    if (!recorded) return {"the record", {}};
    if (!is_heard(s, node)) {
      const std::string why = "; its agent is not heard, it obeys when it is back";
      return {"", text_result("text", fenced + why)};
    }
    const std::string left = still_to_do(s, node);
    if (!left.empty()) return {left, {}};
    return {"", text_result("text", fenced + " and its PostgreSQL is stopped")};
  };
  auto waiting = wait_through_stages(std::move(look_at_it), boot_now() + Millis{60'000}, talk);
  const Stage last = co_await std::move(waiting);
  if (last.outcome) co_return *last.outcome;
  co_return Error(ErrorCode::timed_out, node.value + " is not stopped within 60 s",
                  "It is fenced in the record: " + last.waits_for + ".",
                  "See \"evergres explain node " + node.value + "\".");
}

net::awaitable<Control::Answer> Control::unfence(const boost::json::object& request,
                                                 net::LocalConversation& talk) {
  const core::Situation& s = know_.situation;
  const NodeName node{text_member(request, "node")};
  const core::HandFence* found = core::hand_fence(*s.record, node);
  if (found == nullptr) {
    co_return refusal("\"" + node.value + "\" is not fenced by an operator", "",
                      "See \"evergres list\".");
  }
  if (flag_member(request, "dry_run")) {
    co_return text_result("impact", "PostgreSQL on " + node.value +
                                        " is started as a standby; it follows the leader, and "
                                        "votes again once it has caught up.");
  }
  Hands::Transition leave = [node](core::Record record) {
    return core::end_hand_fence(std::move(record), node);
  };
  auto changing = change_record(std::move(leave));
  const Outcome changed = co_await std::move(changing);
  if (!changed) co_return changed.error();
  if (!flag_member(request, "wait"))
    co_return text_result("text", node.value + " is no longer fenced");
  std::function<Stage()> look_at_it = [this, node]() -> Stage {
    const core::Situation& now = look(know_, boot_now());
    const core::ServerState server = server_of(now, node);
    const bool receives = node == now.me
                              ? now.server.receiving
                              : is_heard(now, node) && now.peers.at(node).said->receiving;
    if (receives) return {"", text_result("text", node.value + " is back and streams")};
    if (server == core::ServerState::primary)
      return {"", text_result("text", node.value + " is back")};
    return {"PostgreSQL on " + node.value + " is " + std::string(word_of(server)), {}};
  };
  auto waiting = wait_through_stages(std::move(look_at_it), boot_now() + Millis{300'000}, talk);
  const Stage last = co_await std::move(waiting);
  if (last.outcome) co_return *last.outcome;
  co_return Error(ErrorCode::timed_out, node.value + " does not stream within 5 minutes",
                  "It is no longer fenced.", "See \"evergres explain node " + node.value + "\".");
}

}  // namespace evergres::agent
