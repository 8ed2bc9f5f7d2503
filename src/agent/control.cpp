#include "agent/control.hpp"

#include "agent/control_answer.hpp"
#include "agent/status.hpp"
#include "cluster/json.hpp"
#include "core/explain.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

/// Why each of the nodes cannot take over, as sentences.
std::string reasons_of_all(const core::Situation& s) {
  std::string text;
  std::vector<NodeName> names;
  names.push_back(s.me);
  for (const auto& [name, peer] : s.peers) names.push_back(name);
  for (const NodeName& name : names) {
    if (s.record->leader && s.record->leader->node == name) continue;
    const auto reason = core::why_not_lead(s, name);
    if (reason) text += (text.empty() ? "" : " ") + name.value + ": " + *reason + ".";
  }
  return text;
}

class Silence final : public net::LocalConversation {
 public:
  net::awaitable<void> progress(std::string) override { co_return; }
};

/// The rule that refused a request, if this agent decided it; else why nobody could take over.
std::string why_refused(const Knowledge& know, const std::string& request_id) {
  for (const Refusal& refusal : know.refusals) {
    if (refusal.request_id == request_id) return refusal.text + ".";
  }
  return reasons_of_all(know.situation);
}

std::string refusals_text(const Knowledge& know) {
  std::string text;
  for (const Refusal& refusal : know.refusals) {
    text += "refused at " + wall_text(refusal.wall_ms) + ": " + refusal.text + "\n";
  }
  return text;
}

/// A node that was taken out by hand does nothing until it is put back.
std::optional<Error> fenced_by_hand(const core::Record& record, const core::Request& request) {
  const core::HandFence* fence = request.to ? core::hand_fence(record, *request.to) : nullptr;
  if (fence == nullptr) return std::nullopt;
  return refusal("\"" + request.to->value + "\" is fenced by " + fence->who,
                 fence->why.empty() ? "" : "Because: " + fence->why + ".",
                 "Put it back with \"evergres unfence " + request.to->value + "\".");
}

bool has_open_leader(const core::Situation& s) {
  return s.record && s.record->phase == core::Phase::leading && core::somebody_in_charge(s).yes;
}

}  // namespace

Control::Control(boost::asio::any_io_executor executor, const Setup& setup, Knowledge& knowledge,
                 Tell tell)
    : executor_(std::move(executor)), setup_(setup), know_(knowledge), tell_(std::move(tell)) {}

Outcome Control::open() {
  auto opened = net::LocalServer::open(executor_, setup_.settings.run_directory / "agent.sock");
  if (!opened) return opened.error();
  server_.emplace(std::move(opened).value());
  return {};
}

net::awaitable<void> Control::serve() {
  net::LocalServer::Handler handler = [this](boost::json::value request,
                                             net::LocalConversation& talk) {
    return answer(std::move(request), talk);
  };
  auto serving = server_->serve(handler);
  co_await std::move(serving);
}

net::awaitable<Control::Answer> Control::ask_quietly(boost::json::value request) {
  Silence nobody;
  auto answering = answer(std::move(request), nobody);
  co_return co_await std::move(answering);
}

net::awaitable<Control::Answer> Control::answer(boost::json::value request,
                                                net::LocalConversation& talk) {
  boost::json::value shown = request;
  if (auto* object = shown.if_object()) object->erase("text");  // settings may hold secrets
  const std::string asked = boost::json::serialize(shown);
  auto answering = answer_verb(std::move(request), talk);
  Answer answered = co_await std::move(answering);
  if (!answered && answered.error().code() == ErrorCode::refused) {
    constexpr std::size_t most_shown = 200;
    note_refusal(know_, {"", wall_now_ms(),
                         asked.substr(0, most_shown) + ": " + answered.error().one_line()});
  }
  co_return answered;
}

net::awaitable<Control::Answer> Control::answer_verb(boost::json::value request,
                                                     net::LocalConversation& talk) {
  const boost::json::object* object = request.if_object();
  if (object == nullptr) co_return Error(ErrorCode::usage, "a request must be a JSON object");
  const std::string verb = text_member(*object, "verb");
  look(know_, boot_now());
  if (verb == "status") co_return cluster::to_json(status_of(know_, setup_.settings.cluster));
  if (verb == "explain") co_return explain(*object);
  if (verb == "history") {
    auto listing = history();
    co_return co_await std::move(listing);
  }
  if (verb == "settings" || verb == "reload") {
    auto settings = verb == "reload" ? reload(*object) : pending_settings();
    co_return co_await std::move(settings);
  }
  if (verb == "cluster settings" || verb == "edit cluster settings") {
    auto settings =
        verb == "cluster settings" ? show_cluster_settings() : edit_cluster_settings(*object, talk);
    co_return co_await std::move(settings);
  }
  core::Request wish;
  wish.id = random_hex(6);
  wish.asked_wall_ms = wall_now_ms();
  const bool names_a_node = verb == "restart" || verb == "reinit";
  const std::string to = text_member(*object, names_a_node ? "node" : "to");
  if (!to.empty()) wish.to = NodeName{to};
  wish.accept_data_loss = flag_member(*object, "accept_data_loss");
  const bool dry_run = flag_member(*object, "dry_run");
  if (!know_.situation.record)
    co_return refusal("the record of the cluster is not known", know_.situation.store_trouble);
  if (verb == "fence" || verb == "unfence") {
    auto changing = verb == "fence" ? fence(*object, talk) : unfence(*object, talk);
    co_return co_await std::move(changing);
  }
  if (const auto out = fenced_by_hand(*know_.situation.record, wish)) co_return *out;
  if (verb == "switchover" || verb == "failover") {
    if (verb == "failover" && flag_member(*object, "force")) wish.force = true;
    wish.kind = verb == "failover" ? core::RequestKind::failover : core::RequestKind::switchover;
    auto changing = change_leader(wish, dry_run, talk);
    co_return co_await std::move(changing);
  }
  if (verb == "restart") {
    wish.kind = core::RequestKind::restart;
    auto restarting = restart(wish, dry_run, talk);
    co_return co_await std::move(restarting);
  }
  if (verb == "reinit") {
    wish.kind = core::RequestKind::reinit;
    auto making = reinit(wish, dry_run, flag_member(*object, "wait"), talk);
    co_return co_await std::move(making);
  }
  if (verb == "pause" || verb == "resume") {
    auto changing = set_paused(verb == "pause", dry_run, flag_member(*object, "wait"), talk);
    co_return co_await std::move(changing);
  }
  co_return Error(ErrorCode::usage, "unknown verb \"" + verb + "\"");
}

net::awaitable<Control::Answer> Control::history() {
  auto work = [this]() -> Result<std::vector<cluster::HistoryEntry>> {
    Hands hands(setup_, Knowledge{}, tell_, {});
    auto store = hands.store();
    if (!store) return store.error();
    return (*store)->list_history(store_deadline);
  };
  auto listing = worker_.run(std::move(work));
  auto listed = co_await std::move(listing);
  if (!listed) co_return listed.error();
  boost::json::object result;
  result["entries"] = cluster::to_json(*listed);
  co_return boost::json::value(std::move(result));
}

Control::Answer Control::explain(const boost::json::object& request) {
  const std::string what = text_member(request, "what");
  const core::Situation& s = know_.situation;
  if (what == "election") {
    std::string text = core::explain_election(s) + refusals_text(know_);
    const auto status = status_of(know_, setup_.settings.cluster);
    for (const std::string& weak : status.weak_settings.value_or(std::vector<std::string>{}))
      text += "may be lost although acknowledged, by synchronous_commit: " + weak + "\n";
    return text_result("text", text);
  }
  if (what != "node") return Error(ErrorCode::usage, "explain knows \"node\" and \"election\"");
  const NodeName node{text_member(request, "node")};
  if (node != s.me && s.peers.find(node) == s.peers.end()) {
    return Error(ErrorCode::not_found, "there is no node \"" + node.value + "\"", "",
                 "Run \"evergres list\" to see the nodes.");
  }
  std::string text = core::explain_node(s, node);
  if (node == s.me) {
    for (const std::string& error : know_.recent_errors) text += "  noted: " + error + "\n";
  }
  return text_result("text", text);
}

Outcome Control::check_switchover(const core::Request& request) const {
  const core::Situation& s = know_.situation;
  if (!has_open_leader(s)) {
    return refusal("there is no open leader to switch over from",
                   core::somebody_in_charge(s).why + ".",
                   "If nobody comes forward by itself, see \"evergres explain election\".");
  }
  if (!request.to) {
    for (const auto& seat : s.record->policy.current.voters) {
      if (!core::why_not_inherit(s, seat.node)) return {};
    }
    return refusal("no other node could lead now", reasons_of_all(s), "See \"evergres list\".");
  }
  if (*request.to == s.record->leader->node) {
    return refusal("\"" + request.to->value + "\" leads already", "");
  }
  if (const auto reason = core::why_not_inherit(s, *request.to, request.force.value_or(false))) {
    return refusal("\"" + request.to->value + "\" cannot take over", *reason + ".",
                   "See \"evergres explain node " + request.to->value + "\".");
  }
  return {};
}

Outcome Control::check_failover(const core::Request& request) const {
  const core::Situation& s = know_.situation;
  if (has_open_leader(s)) return check_switchover(request);
  const bool insisted = request.force.value_or(false) || request.accept_data_loss;
  if (request.to && core::tags_of(s, *request.to).nofailover && !insisted) {
    return refusal("\"" + request.to->value + "\" is tagged nofailover", "",
                   "Name another node, or repeat with --force.");
  }
  if (request.accept_data_loss) return {};
  const auto missing = core::what_is_missing(s.record->policy, core::seats_behind_me(s));
  if (missing.empty()) return {};
  std::string detail;
  for (const std::string& sentence : missing) detail += sentence + ". ";
  return refusal("a failover now could lose acknowledged commits",
                 detail + "At risk: " + core::loss_at_risk(s) + ".",
                 "Bring one of these nodes back, or repeat with --accept-data-loss.");
}

net::awaitable<Outcome> Control::change_record(Hands::Transition change) {
  auto work = [this, change = std::move(change), snapshot = know_]() -> Outcome {
    Hands hands(setup_, snapshot, tell_, {});
    auto changed = hands.change_record(change);
    if (!changed) return changed.error();
    return {};
  };
  auto changing = worker_.run(std::move(work));
  co_return co_await std::move(changing);
}

net::awaitable<Outcome> Control::ask(const core::Request& request) {
  Hands::Transition enter = [request](core::Record record) {
    return core::ask(std::move(record), request);
  };
  auto asking = change_record(std::move(enter));
  co_return co_await std::move(asking);
}

net::awaitable<Control::Answer> Control::change_leader(core::Request request, bool dry_run,
                                                       net::LocalConversation& talk) {
  const bool failover = request.kind == core::RequestKind::failover;
  const Outcome possible = failover ? check_failover(request) : check_switchover(request);
  if (!possible) co_return possible.error();
  const core::Situation& s = know_.situation;
  const std::string from = s.record->policy.current.leader.node.value;
  if (dry_run) {
    const std::string to = request.to ? request.to->value : "the best voter";
    const bool open = has_open_leader(s);
    std::string impact = (open ? "The leadership moves from " : "A new leader is elected after ") +
                         from + " to " + to + ". ";
    impact += open ? "All sessions on " + from +
                         " end; writes pause for less than a second; bytes at risk: 0."
                   : "At risk: " + core::loss_at_risk(s) + ".";
    co_return text_result("impact", impact);
  }
  // An election that is under way may end in its own term.
  const bool electing = s.record->phase == core::Phase::electing;
  const Term before{s.record->term.value - (electing ? 1 : 0)};
  auto asking = ask(request);
  const Outcome asked = co_await std::move(asking);
  if (!asked) co_return asked.error();
  auto waiting = wait_for_leader(before, request.id, request.to, talk);
  co_return co_await std::move(waiting);
}

net::awaitable<Control::Answer> Control::wait_for_leader(Term before, std::string request_id,
                                                         std::optional<NodeName> wished,
                                                         net::LocalConversation& talk) {
  const Instant until = boot_now() + Millis{90'000};
  const Instant began = boot_now();
  std::string stage;
  while (boot_now() < until) {
    const core::Record& record = *know_.situation.record;
    if (record.term > before && record.phase == core::Phase::leading) {
      const auto span = std::chrono::duration_cast<Millis>(boot_now() - began);
      const std::string leader = record.leader->node.value;
      if (wished && wished->value != leader) {
        co_return refusal("\"" + leader + "\" leads instead of \"" + wished->value + "\"",
                          record.why + ".", "See \"evergres history\".");
      }
      co_return text_result("text", leader + " leads term " + std::to_string(record.term.value) +
                                        " since " + std::to_string(span.count()) +
                                        " ms after the request");
    }
    const bool pending = record.request && record.request->id == request_id;
    if (!pending && record.term == before && boot_now() - began > Millis{500}) {
      co_return refusal("the request was refused", why_refused(know_, request_id),
                        "See \"evergres explain election\".");
    }
    std::string now = "term " + std::to_string(record.term.value) + ", phase " +
                      std::string(word_of(record.phase));
    if (record.leader && record.phase == core::Phase::electing)
      now += ", " + record.leader->node.value + " was chosen";
    if (now != stage) {
      stage = now;
      auto telling = talk.progress(now);
      co_await std::move(telling);
    }
    auto pausing = net::pause_for(Millis{20});
    co_await std::move(pausing);
  }
  co_return Error(ErrorCode::timed_out, "no leader opened within 90 s",
                  core::somebody_in_charge(know_.situation).why + ".",
                  "It goes on by itself; see \"evergres explain election\".");
}

net::awaitable<Control::Answer> Control::restart(core::Request request, bool dry_run,
                                                 net::LocalConversation& talk) {
  const core::Situation& s = know_.situation;
  if (!request.to) co_return Error(ErrorCode::usage, "restart needs the name of a node");
  const NodeName node = *request.to;
  if (node != s.me && s.peers.find(node) == s.peers.end()) {
    co_return Error(ErrorCode::not_found, "there is no node \"" + node.value + "\"");
  }
  const bool leader = s.record->leader && s.record->leader->node == node;
  if (dry_run) {
    co_return text_result(
        "impact", leader
                      ? "The leader " + node.value +
                            " restarts: all its sessions end, writes pause for about two seconds."
                      : "The standby " + node.value + " restarts: its readers are disconnected.");
  }
  const Term before = s.record->term;
  auto asking = ask(request);
  const Outcome asked = co_await std::move(asking);
  if (!asked) co_return asked.error();
  if (leader) {
    auto waiting = wait_for_leader(before, request.id, std::nullopt, talk);
    co_return co_await std::move(waiting);
  }
  const Instant until = boot_now() + Millis{90'000};
  bool taken = false;
  while (boot_now() < until) {
    const core::Record& record = *know_.situation.record;
    taken = taken || !record.request || record.request->id != request.id;
    const auto status = status_of(know_, setup_.settings.cluster);
    for (const auto& shown : status.nodes) {
      if (taken && shown.name == node.value && shown.state == "streaming" && shown.doing.empty() &&
          boot_now() > until - Millis{88'000}) {
        co_return text_result("text", node.value + " was restarted and streams again");
      }
    }
    auto pausing = net::pause_for(Millis{100});
    co_await std::move(pausing);
  }
  co_return Error(ErrorCode::timed_out, node.value + " does not stream again within 90 s", "",
                  "See \"evergres explain node " + node.value + "\".");
}

}  // namespace evergres::agent
