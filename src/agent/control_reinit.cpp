#include <algorithm>

#include "agent/control.hpp"
#include "agent/control_answer.hpp"
#include "agent/control_stages.hpp"
#include "agent/status.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

bool is_known(const core::Situation& s, const NodeName& node) {
  return node == s.me || s.peers.contains(node);
}

std::optional<Incarnation> incarnation_of(const core::Situation& s, const NodeName& node) {
  if (node == s.me) return s.server.incarnation;
  const auto found = s.peers.find(node);
  if (found == s.peers.end() || !found->second.said) return std::nullopt;
  return found->second.said->seat.incarnation;
}

std::vector<core::Seat> voters_without(const core::Record& record, const NodeName& node) {
  std::vector<core::Seat> voters = record.policy.current.voters;
  std::erase_if(voters, [&](const core::Seat& voter) { return voter.node == node; });
  return voters;
}

std::string impact_of(const core::Situation& s, const NodeName& node) {
  const core::Record& record = *s.record;
  std::string text = "The data directory of " + node.value + " is thrown away and copied from " +
                     record.leader->node.value + "; its readers are disconnected. ";
  const auto left = voters_without(record, node);
  if (left.size() == record.policy.current.voters.size()) return text + "It is no voter.";
  text += "It leaves the policy first. ";
  if (left.empty()) {
    return text + "Until it is back commits are on " + record.leader->node.value +
           " alone, and nobody else may lead.";
  }
  return text + std::to_string(left.size()) + (left.size() == 1 ? " voter stays" : " voters stay") +
         " until it is back.";
}

std::string doing_of(const cluster::ClusterStatus& status, const NodeName& node) {
  const auto found =
      std::find_if(status.nodes.begin(), status.nodes.end(),
                   [&](const cluster::NodeStatus& shown) { return shown.name == node.value; });
  if (found == status.nodes.end()) return "unknown";
  return found->doing.empty() ? found->state : found->doing;
}

}  // namespace

Outcome Control::check_reinit(const NodeName& node) const {
  const core::Situation& s = know_.situation;
  const core::Record& record = *s.record;
  if (!is_known(s, node)) {
    return Error(ErrorCode::not_found, "there is no node \"" + node.value + "\"", "",
                 "Run \"evergres list\" to see the nodes.");
  }
  if (record.leader && record.leader->node == node) {
    return refusal("\"" + node.value + "\" leads, so there is nobody to copy from",
                   "Its data directory is the one that the others have to match.",
                   "Switch over first: \"evergres switchover\".");
  }
  if (record.phase != core::Phase::leading || !core::somebody_in_charge(s).yes) {
    return refusal("there is no open leader to copy from", core::somebody_in_charge(s).why + ".",
                   "See \"evergres explain election\".");
  }
  const core::Policy& policy = record.policy.current;
  const auto left = voters_without(record, node);
  if (policy.mode == core::Durability::strict && left.size() != policy.voters.size() &&
      left.size() < policy.k) {
    return refusal("\"" + node.value + "\" cannot be spared",
                   "With durability strict writes would wait until it is back.",
                   "Add a node, or set the durability to quorum meanwhile.");
  }
  const auto peer = s.peers.find(node);
  if (peer != s.peers.end() && (peer->second.refused || !core::is_heard(s, peer->second))) {
    return refusal("the agent of \"" + node.value + "\" is not heard", "",
                   "Start the node; it makes its own data directory anew.");
  }
  return {};
}

net::awaitable<Control::Answer> Control::reinit(core::Request request, bool dry_run, bool wait,
                                                net::LocalConversation& talk) {
  if (!request.to) co_return Error(ErrorCode::usage, "reinit needs the name of a node");
  const Outcome possible = check_reinit(*request.to);
  if (!possible) co_return possible.error();
  if (dry_run) co_return text_result("impact", impact_of(know_.situation, *request.to));
  const auto before = incarnation_of(know_.situation, *request.to);
  auto asking = ask(request);
  const Outcome asked = co_await std::move(asking);
  if (!asked) co_return asked.error();
  auto following = follow_reinit(request, before, wait, talk);
  co_return co_await std::move(following);
}

net::awaitable<Control::Answer> Control::follow_reinit(core::Request request,
                                                       std::optional<Incarnation> before, bool wait,
                                                       net::LocalConversation& talk) {
  const NodeName node = *request.to;
  const auto doing = [this, node] {
    return doing_of(status_of(know_, setup_.settings.cluster), node);
  };
  std::function<Stage()> look_whether_begun = [this, node, request, before, doing]() -> Stage {
    const core::Situation& s = look(know_, boot_now());
    const auto now = incarnation_of(s, node);
    if (now && now != before && !now->empty()) {
      const std::string text = " is being cloned; `evergres list -w` shows it";
      return {"", text_result("text", node.value + text)};
    }
    const bool pending = s.record->request && s.record->request->id == request.id;
    if (pending) return {"waiting until no policy counts " + node.value, {}};
    return {node.value + ": " + doing(), {}};
  };
  auto beginning =
      wait_through_stages(std::move(look_whether_begun), boot_now() + Millis{60'000}, talk);
  const Stage begun = co_await std::move(beginning);
  if (!begun.outcome) {
    Hands::Transition take_back = [id = request.id](core::Record record) {
      return core::clear_request(std::move(record), id);
    };
    auto taking = change_record(std::move(take_back));
    const Outcome taken = co_await std::move(taking);
    co_return Error(ErrorCode::timed_out, node.value + " did not begin within 60 s",
                    taken ? "The request was taken back." : taken.error().one_line() + ".",
                    "See \"evergres explain node " + node.value + "\".");
  }
  if (!wait) co_return *begun.outcome;
  std::function<Stage()> look_whether_done = [this, node, doing]() -> Stage {
    look(know_, boot_now());
    const std::string now = doing();
    if (now != "streaming") return {node.value + ": " + now, {}};
    return {"", text_result("text", node.value + " was made anew and streams")};
  };
  constexpr Millis a_day{24LL * 3600 * 1000};
  auto copying = wait_through_stages(std::move(look_whether_done), boot_now() + a_day, talk);
  const Stage done = co_await std::move(copying);
  if (done.outcome) co_return *done.outcome;
  co_return Error(ErrorCode::timed_out, node.value + " is not back after a day");
}

}  // namespace evergres::agent
