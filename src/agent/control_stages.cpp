#include "agent/control_stages.hpp"

namespace evergres::agent {

net::awaitable<Stage> wait_through_stages(std::function<Stage()> look, Instant until,
                                          net::LocalConversation& talk) {
  Stage stage;
  while (boot_now() < until) {
    Stage now = look();
    if (now.outcome) co_return now;
    const bool is_new = now.waits_for != stage.waits_for;
    stage = std::move(now);
    if (is_new) {
      auto telling = talk.progress(stage.waits_for);
      co_await std::move(telling);
    }
    auto pausing = net::pause_for(Millis{50});
    co_await std::move(pausing);
  }
  co_return stage;
}

}  // namespace evergres::agent
