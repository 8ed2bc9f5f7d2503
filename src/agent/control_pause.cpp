#include "agent/control.hpp"
#include "agent/control_answer.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Members that are heard and have not seen `revision` of the record.
std::vector<std::string> unaware(const core::Situation& s, Revision revision) {
  std::vector<std::string> names;
  for (const auto& [name, peer] : s.peers) {
    if (!peer.refused && core::is_heard(s, peer) && peer.said->revision < revision) {
      names.push_back(name.value);
    }
  }
  return names;
}

std::vector<std::string> unheard(const core::Situation& s) {
  std::vector<std::string> names;
  for (const auto& [name, peer] : s.peers) {
    if (peer.refused || !core::is_heard(s, peer)) names.push_back(name.value);
  }
  return names;
}

std::string impact_of(const core::Situation& s, bool paused) {
  if (paused) {
    return "No automatic failover and no automatic rewind or clone until `evergres resume`. "
           "A leader that dies is not replaced: writes stand still until then. Switchover, "
           "failover,"
           " restart and reinit by hand stay possible; the grant still protects.";
  }
  if (core::somebody_in_charge(s).yes) return "Automatic failover works again.";
  return "Automatic failover works again. Nobody is in charge (" + core::somebody_in_charge(s).why +
         "): a leader is elected at once.";
}

}  // namespace

net::awaitable<Control::Answer> Control::set_paused(bool paused, bool dry_run, bool wait,
                                                    net::LocalConversation& talk) {
  const core::Situation& s = know_.situation;
  if (dry_run) co_return text_result("impact", impact_of(s, paused));
  const std::string state = paused ? "paused" : "not paused";
  if (s.record->paused == paused)
    co_return text_result("text", "the cluster is " + state + " already");
  Hands::Transition change = [paused](core::Record record) {
    return core::set_paused(std::move(record), paused);
  };
  auto changing = change_record(std::move(change));
  const Outcome changed = co_await std::move(changing);
  if (!changed) co_return changed.error();
  std::string text = paused ? "the cluster is paused" : "the cluster is no longer paused";
  if (!wait) co_return text_result("text", text);
  const Instant until = boot_now() + Millis{10'000};
  std::string stage;
  while (boot_now() < until && s.record->paused != paused) {
    auto pausing = net::pause_for(Millis{20});
    co_await std::move(pausing);
  }
  const Revision target = s.revision;
  for (;;) {
    const std::string missing = names_of(unaware(look(know_, boot_now()), target));
    if (missing.empty()) break;
    if (boot_now() >= until) {
      co_return Error(ErrorCode::timed_out, "not every node has seen it within 10 s",
                      "The record says that " + text + ". Not seen by: " + missing + ".",
                      "They learn it from the store; see \"evergres list\".");
    }
    if (missing != stage) {
      stage = missing;
      auto telling = talk.progress("waiting for " + missing);
      co_await std::move(telling);
    }
    auto pausing = net::pause_for(Millis{20});
    co_await std::move(pausing);
  }
  const std::string silent = names_of(unheard(s));
  if (!silent.empty()) text += "; not heard, and told by the store later: " + silent;
  co_return text_result("text", text);
}

}  // namespace evergres::agent
