#include "checks/bank.hpp"

#include <tuple>

#include "checks/set.hpp"

namespace evergres::checks {
namespace {

void add_torn(const BankHistory& history, Anomalies& anomalies) {
  std::int64_t total = 0;
  for (const auto& [account, money] : history.opening) total += money;
  std::vector<std::string> torn;
  for (const std::int64_t seen : history.totals) {
    if (seen != total) torn.push_back(std::to_string(seen));
  }
  if (torn.empty()) return;
  anomalies.push_back({"torn", std::to_string(torn.size()) + " reads do not add up to " +
                                   std::to_string(total) + ": " + examples(torn)});
}

void add_uneven(const BankHistory& history, Anomalies& anomalies) {
  Balances expected = history.opening;
  for (const Transfer& line : history.ledger) {
    expected[line.from] -= line.amount;
    expected[line.to] += line.amount;
  }
  std::vector<std::string> wrong;
  for (const auto& [account, money] : expected) {
    const auto found = history.balances.find(account);
    if (found == history.balances.end() || found->second != money) {
      wrong.push_back(account);
    }
  }
  for (const auto& [account, money] : history.balances) {
    if (!expected.contains(account)) wrong.push_back(account);
  }
  if (wrong.empty()) return;
  anomalies.push_back({"uneven", "accounts that the ledger does not explain: " + examples(wrong)});
}

void add_altered(const BankHistory& history, Anomalies& anomalies) {
  std::map<std::string, const Transfer*> sent;
  for (const Transfer& transfer : history.transfers) sent[transfer.id] = &transfer;
  std::vector<std::string> altered;
  const auto content = [](const Transfer& one) { return std::tie(one.from, one.to, one.amount); };
  for (const Transfer& line : history.ledger) {
    const auto found = sent.find(line.id);
    if (found != sent.end() && content(*found->second) != content(line)) altered.push_back(line.id);
  }
  if (altered.empty()) return;
  anomalies.push_back({"altered", "lines that were not sent so: " + examples(altered)});
}

}  // namespace

Anomalies check_bank(const BankHistory& history) {
  std::vector<Addition> additions;
  for (const Transfer& transfer : history.transfers) {
    additions.push_back({transfer.id, transfer.told});
  }
  std::vector<std::string> there;
  for (const Transfer& line : history.ledger) there.push_back(line.id);
  Anomalies anomalies = check_set(additions, there);
  add_torn(history, anomalies);
  add_uneven(history, anomalies);
  add_altered(history, anomalies);
  return anomalies;
}

}  // namespace evergres::checks
