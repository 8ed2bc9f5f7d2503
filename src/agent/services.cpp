#include "agent/services.hpp"

#include <algorithm>

#include "agent/knowledge.hpp"
#include "agent/operations/operation.hpp"
#include "agent/status.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

std::optional<Lsn> end_of(const core::Situation& s, const NodeName& node) {
  if (node == s.me) {
    return s.server.position ? std::optional(s.server.position->lsn) : std::nullopt;
  }
  const auto found = s.peers.find(node);
  if (found == s.peers.end() || !found->second.said || !found->second.said->position) {
    return std::nullopt;
  }
  return found->second.said->position->lsn;
}

/// While nobody leads, the next leader has at least what anybody of whom we know has.
std::optional<Lsn> leader_end(const core::Situation& s) {
  if (s.record && s.record->leader) {
    if (const auto end = end_of(s, s.record->leader->node)) return end;
  }
  std::optional<Lsn> newest = end_of(s, s.me);
  for (const auto& [name, peer] : s.peers) {
    const auto end = end_of(s, name);
    if (end && (!newest || *newest < *end)) newest = end;
  }
  return newest;
}

void fill_record(View& view, const core::Situation& s) {
  view.record_known = s.record.has_value();
  if (!s.record) return;
  const bool names_me = core::record_names_me(s);
  view.paused = s.record->paused;
  view.leader_is_open = s.record->phase == core::Phase::leading;
  view.named_leader = names_me && view.leader_is_open;
  view.named_heir = names_me && s.record->phase == core::Phase::electing;
  view.lineage = s.record->lineage;
}

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

}  // namespace

std::string api_url(const config::NodeSettings& settings) {
  const std::string& host =
      is_wildcard(settings.http_host) ? settings.peer_host : settings.http_host;
  const bool bare_v6 = host.find(':') != std::string::npos;
  return "http://" + (bare_v6 ? "[" + host + "]" : host) + ":" +
         std::to_string(settings.http_port) + "/patroni";
}

View view_of(const Knowledge& knowledge, const Setup& setup, Instant now) {
  const core::Situation& s = knowledge.situation;
  View view;
  view.now = now;
  view.wall_ms = wall_now_ms();
  view.cluster = status_of(knowledge, setup.settings.cluster);
  view.history = knowledge.history;
  fill_record(view, s);
  for (const auto& [name, card] : knowledge.cards) {
    if (card.api_url) view.api_urls[name.value] = *card.api_url;
  }
  view.api_urls[s.me.value] = api_url(setup.settings);
  view.yields = knowledge.yields.has_value();
  view.server = s.server;
  view.details = knowledge.details;
  view.pending_restart = knowledge.settings.pending_restart;
  if (s.operation) view.operation = s.operation->kind;
  view.leader_end = leader_end(s);
  if (s.store_read_at) view.store_age = now - *s.store_read_at;
  view.loop_age = now - knowledge.loop.began;
  view.loop_took = knowledge.loop.took;
  view.agent_restarts = knowledge.supervisor.agent_restarts;
  view.tally = knowledge.tally;
  view.cluster_settings = knowledge.settings.newest;
  view.settings = &setup.settings;
  view.tags = setup.settings.tags;
  return view;
}

}  // namespace evergres::agent
