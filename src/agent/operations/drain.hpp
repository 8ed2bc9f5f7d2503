#pragma once

#include <functional>
#include <string>

#include "agent/operations/operation.hpp"
#include "postgres/session.hpp"

namespace evergres::agent {

/// Before a planned handover: tells endpoints that it is about to begin, so that they hold what is
/// new, and takes that back at its end, by when the record says more or the handover was given up.
class HandoverNotice {
 public:
  /// Nobody is told where nobody watches.
  explicit HandoverNotice(Hands& hands);
  ~HandoverNotice();
  HandoverNotice(const HandoverNotice&) = delete;
  HandoverNotice& operator=(const HandoverNotice&) = delete;
  [[nodiscard]] bool given() const { return given_; }

 private:
  Hands& hands_;
  bool given_;
};

/// Asks once what the waiting will ask again and again.
Outcome warm_up_drain(postgres::Session& session);

/// Waits, at most drain_timeout, until every endpoint holds what is new and has nothing running,
/// and until the transactions that applications have open at this moment are over. (Without an
/// endpoint in between others begin all the time: those are not waited for.) Returns a fact for the
/// history, "" if nothing was waited for. Errors: cancelled.
Result<std::string> let_transactions_end(Hands& hands, postgres::Session& session,
                                         const HandoverNotice& notice);

/// "waits for 3 transactions to end, 2.1 s left", or for endpoints that have not answered.
std::string drain_text(std::size_t transactions, std::size_t unheard, Nanos left);

}  // namespace evergres::agent
