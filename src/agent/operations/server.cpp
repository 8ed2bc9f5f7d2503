#include "agent/operations/head_start.hpp"
#include "agent/operations/operation.hpp"
#include "core/transition.hpp"
#include "postgres/promotion.hpp"

namespace evergres::agent {

Outcome carry_out(const core::StartServer& intent, Hands& hands) {
  const Nanos left = left_after_handover(hands.situation(), boot_now());
  if (auto waited = let_clients_go_first(hands, left); !waited) return waited;
  return start_as_standby(hands, intent.without_hot_standby);
}

Outcome carry_out(const core::StopServer& intent, Hands& hands) {
  auto stopped = intent.orderly ? stop_and_learn(hands, supervisor::StopMode::fast, Millis{10'000})
                                : stop_and_learn(hands, supervisor::StopMode::immediate, Millis{0});
  if (!stopped) return stopped.error();
  return {};
}

// The request is removed first: a restart that dies half-way must not be repeated for ever.
Outcome carry_out(const core::RestartServer& intent, Hands& hands) {
  auto cleared = hands.change_record([&](core::Record record) {
    return core::clear_request(std::move(record), intent.request_id);
  });
  if (!cleared) return cleared.error();
  auto stopped = stop_and_learn(hands, supervisor::StopMode::fast, Millis{5000});
  if (!stopped) return stopped.error();
  return start_as_standby(hands, false);
}

Outcome carry_out(const core::MendSettings&, Hands& hands) {
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  const auto names = expected_names(hands.situation());
  if (!names) return {};  // a policy or a promotion writes them all anyway
  const auto deadline = boot_now() + sql_deadline;
  if (auto written = postgres::set_names(hands.server(), *session, hands.safety(*names), deadline);
      !written)
    return written;
  hands.learn([](Knowledge& k) { k.situation.server.drift.clear(); });
  return {};
}

}  // namespace evergres::agent
