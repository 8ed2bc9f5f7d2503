#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// One transaction: the amount leaves one account, arrives at the other, and a line in the ledger
/// has its id.
struct Transfer {
  std::string id;
  std::string from;
  std::string to;
  std::int64_t amount = 0;
  Told told = Told::unknown;
};
constexpr auto fields(const Transfer*) {
  return std::tuple{Field{"id", &Transfer::id}, Field{"from", &Transfer::from},
                    Field{"to", &Transfer::to}, Field{"amount", &Transfer::amount},
                    Field{"told", &Transfer::told}};
}

/// Money by account.
using Balances = std::map<std::string, std::int64_t>;

struct BankHistory {
  Balances opening;
  std::vector<Transfer> transfers;
  std::vector<std::int64_t> totals;  ///< all money, each as one statement saw it
  Balances balances;                 ///< at the end
  std::vector<Transfer> ledger;      ///< its lines at the end; `told` is not used
};
constexpr auto fields(const BankHistory*) {
  return std::tuple{
      Field{"opening", &BankHistory::opening}, Field{"transfers", &BankHistory::transfers},
      Field{"totals", &BankHistory::totals}, Field{"balances", &BankHistory::balances},
      Field{"ledger", &BankHistory::ledger}};
}

/// Kinds: those of check_set(), torn (a total that was never true), uneven (balances that the
/// ledger does not explain), altered (a line that was not sent so).
Anomalies check_bank(const BankHistory& history);

}  // namespace evergres::checks
