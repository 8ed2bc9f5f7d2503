#include "agent/performer.hpp"

#include <spdlog/spdlog.h>

namespace evergres::agent {
namespace {

bool is_operation(const core::Intent& intent) {
  return !std::holds_alternative<core::StayPut>(intent) &&
         !std::holds_alternative<core::Wait>(intent);
}

struct CarryOut {
  Hands& hands;
  Outcome operator()(const core::StayPut&) const { return {}; }
  Outcome operator()(const core::Wait&) const { return {}; }
  template <typename I>
  Outcome operator()(const I& intent) const {
    return carry_out(intent, hands);
  }
};

core::Ending ending_of(const Outcome& outcome) {
  if (outcome) return core::Ending::done;
  switch (outcome.error().code()) {
    case ErrorCode::timed_out: return core::Ending::timed_out;
    case ErrorCode::cancelled: return core::Ending::unknown;
    default: return core::Ending::failed;
  }
}

/// Remembers how it ended; a cancelled operation is no failure of its kind.
void note_ending(Knowledge& k, const std::string& kind, Term term, const Outcome& outcome,
                 Nanos spent) {
  core::Attempt& attempt = k.situation.attempts[kind];
  attempt.ending = ending_of(outcome);
  attempt.term = term;
  attempt.ended = boot_now();
  OperationTally& tally = k.tally.operations[kind];
  tally.ended[attempt.ending] += 1;
  tally.spent += spent;
  const bool cancelled = !outcome && outcome.error().code() == ErrorCode::cancelled;
  if (outcome) {
    attempt.failures = 0;
  } else if (!cancelled) {
    attempt.failures += 1;
  }
  attempt.error = outcome ? "" : outcome.error().one_line();
  k.situation.operation.reset();
  k.progress.clear();
}

}  // namespace

Performer::~Performer() {
  thread_.request_stop();
}

void Performer::pursue(const core::Intent& intent, Knowledge& knowledge) {
  if (running_ && !knowledge.situation.operation) running_.reset();  // it has reported its end
  if (running_) {
    if (std::holds_alternative<core::Wait>(intent) || *running_ == intent) return;
    thread_.request_stop();  // its end wakes the loop, which then decides again
    return;
  }
  if (is_operation(intent)) start(intent, knowledge);
}

void Performer::start(const core::Intent& intent, Knowledge& knowledge) {
  if (thread_.joinable()) thread_.join();
  const std::string kind(core::kind_of(intent));
  const Term term = knowledge.situation.record ? knowledge.situation.record->term : Term{0};
  running_ = intent;
  knowledge.progress.clear();
  knowledge.situation.operation = core::Operation{kind, term, boot_now()};
  thread_ =
      std::jthread([this, intent, kind, term, snapshot = knowledge](const std::stop_token& stop) {
        Hands hands(setup_, snapshot, tell_, stop);
        const Instant began = boot_now();
        const Outcome outcome = std::visit(CarryOut{hands}, intent);
        const auto span = std::chrono::duration_cast<Millis>(boot_now() - began);
        if (outcome) {
          spdlog::info("done: {} ({} ms)", core::describe(intent), span.count());
        } else {
          spdlog::warn("not done: {} after {} ms: {}", core::describe(intent), span.count(),
                       outcome.error().one_line());
        }
        tell_([kind, term, outcome, span](Knowledge& k) {
          note_ending(k, kind, term, outcome, span);
        });
      });
}

}  // namespace evergres::agent
