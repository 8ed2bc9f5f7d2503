#include "agent/operations/drain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace evergres::agent {
namespace {

/// Transactions by the process and the moment at which they began.
using Open = std::set<std::string>;

Result<Open> open_transactions(postgres::Session& session) {
  auto rows = session.query(
      "SELECT pid || ' ' || xact_start FROM pg_stat_get_activity(NULL)"
      " WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> "
      "pg_backend_pid()"
      " AND application_name <> 'evergres agent'",
      boot_now() + sql_deadline);
  if (!rows) return rows.error();
  Open open;
  for (const postgres::Row& row : *rows) {
    if (!row.empty() && row[0]) open.insert(*row[0]);
  }
  return open;
}

void keep_common(Open& ours, const Open& others) {
  std::erase_if(ours, [&](const std::string& one) { return !others.contains(one); });
}

std::string counted(std::size_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

double seconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e9;
}

std::string fact(std::size_t at_first, std::size_t left, Nanos waited) {
  return fmt::format("clients: waited {:.3f} s for {}{}", seconds(waited),
                     counted(at_first, "transaction"),
                     left == 0 ? "" : ", " + std::to_string(left) + " did not end");
}

}  // namespace

std::string drain_text(std::size_t transactions, std::size_t unheard, Nanos left) {
  const std::string what = transactions > 0
                               ? counted(transactions, "transaction") + " to end"
                               : counted(unheard, "endpoint") + " to hold new transactions";
  return fmt::format("waits for {}, {:.1f} s left", what, seconds(std::max(left, Nanos::zero())));
}

HandoverNotice::HandoverNotice(Hands& hands)
    : hands_(hands),
      given_(hands.known.watchers->anybody() &&
             hands.setup.settings.drain_timeout > Millis::zero()) {
  if (!given_) return;
  hands_.learn([](Knowledge& k) {
    if (k.situation.record) k.draining = k.situation.record->term;
  });
}

HandoverNotice::~HandoverNotice() {
  if (given_) hands_.learn([](Knowledge& k) { k.draining.reset(); });
}

Outcome warm_up_drain(postgres::Session& session) {
  auto open = open_transactions(session);
  if (!open) return open.error();
  return {};
}

Result<std::string> let_transactions_end(Hands& hands, postgres::Session& session,
                                         const HandoverNotice& notice) {
  constexpr Millis shortest_pause{1};
  constexpr Millis longest_pause{20};
  const Nanos limit = hands.setup.settings.drain_timeout;
  if (limit <= Nanos::zero()) return std::string{};
  const WatcherAcks& acks = *hands.known.watchers;
  const Instant began = boot_now();
  auto open = open_transactions(session);
  if (!open) return open.error();
  std::size_t at_first = open->size();
  for (;;) {
    const auto waited = notice.given() ? acks.waited() : WatcherAcks::Waited{};
    const std::size_t running = std::max<std::size_t>(open->size(), waited.busy);
    at_first = std::max(at_first, running);
    const Nanos spent = boot_now() - began;
    const bool over = open->empty() && waited.over();
    if (over || spent >= limit) {
      return at_first == 0 ? std::string{} : fact(at_first, running, spent);
    }
    if (hands.stopped()) return hands.cancelled();
    hands.progress(drain_text(running, waited.unheard, limit - spent));
    // Short ones end within milliseconds, and each of those is one for everybody who waits.
    const Nanos pause = std::clamp<Nanos>(spent / 4, shortest_pause, longest_pause);
    acks.wait_for_change(hands.stop, std::min(boot_now() + pause, began + limit));
    if (open->empty()) continue;
    auto now = open_transactions(session);
    if (!now) return now.error();
    keep_common(*open, *now);
  }
}

}  // namespace evergres::agent
