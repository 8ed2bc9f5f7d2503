#include "checks/history.hpp"

#include "checks/bank.hpp"
#include "checks/echo.hpp"
#include "checks/lists.hpp"
#include "checks/monotonic.hpp"
#include "checks/registers.hpp"
#include "checks/set.hpp"
#include "cluster/json.hpp"

namespace evergres::checks {

struct Head {
  std::string workload;
};
constexpr auto fields(const Head*) {
  return std::tuple{Field{"workload", &Head::workload}};
}

struct SetHistory {
  std::vector<Addition> additions;
  std::vector<std::string> there;
};
constexpr auto fields(const SetHistory*) {
  return std::tuple{Field{"additions", &SetHistory::additions}, Field{"there", &SetHistory::there}};
}

struct ListsHistory {
  std::vector<ListTransaction> transactions;
  Lists last;
  Isolation isolation = Isolation::serializable;
  bool in_real_time = true;
};
constexpr auto fields(const ListsHistory*) {
  return std::tuple{Field{"transactions", &ListsHistory::transactions},
                    Field{"last", &ListsHistory::last},
                    Field{"isolation", &ListsHistory::isolation},
                    Field{"in_real_time", &ListsHistory::in_real_time}};
}

struct RegistersHistory {
  std::vector<RegisterUse> uses;
};
constexpr auto fields(const RegistersHistory*) {
  return std::tuple{Field{"uses", &RegistersHistory::uses}};
}

struct MonotonicHistory {
  std::vector<Count> counts;
  std::int64_t last = 0;
};
constexpr auto fields(const MonotonicHistory*) {
  return std::tuple{Field{"counts", &MonotonicHistory::counts},
                    Field{"last", &MonotonicHistory::last}};
}

struct EchoHistory {
  std::vector<Echo> echoes;
};
constexpr auto fields(const EchoHistory*) {
  return std::tuple{Field{"echoes", &EchoHistory::echoes}};
}

namespace {

constexpr std::size_t largest_history = 1U << 30U;

template <class Operation>
std::vector<Told> told_of(const std::vector<Operation>& operations) {
  std::vector<Told> told;
  for (const Operation& one : operations) told.push_back(one.told);
  return told;
}

Judgement judgement(Anomalies anomalies, const std::vector<Told>& told) {
  return {std::move(anomalies), told.size(), unknown_share(told)};
}

Judgement judge(const SetHistory& history) {
  return judgement(check_set(history.additions, history.there), told_of(history.additions));
}
Judgement judge(const BankHistory& history) {
  return judgement(check_bank(history), told_of(history.transfers));
}
Judgement judge(const ListsHistory& history) {
  return judgement(
      check_lists(history.transactions, history.last, history.isolation, history.in_real_time),
      told_of(history.transactions));
}
Judgement judge(const RegistersHistory& history) {
  return judgement(check_registers(history.uses), told_of(history.uses));
}
Judgement judge(const MonotonicHistory& history) {
  return judgement(check_monotonic(history.counts, history.last), told_of(history.counts));
}
Judgement judge(const EchoHistory& history) {
  return {check_echo(history.echoes), history.echoes.size(), 0};
}

template <class History>
Result<Judgement> read_and_judge(const boost::json::value& from) {
  const auto history = cluster::from_json<History>(from, "history");
  if (!history) return history.error();
  return judge(*history);
}

}  // namespace

Result<Judgement> judge(std::string_view json) {
  const auto parsed = cluster::json_detail::parse_text(json, largest_history, "history");
  if (!parsed) return parsed.error();
  const auto head = cluster::from_json<Head>(*parsed, "history");
  if (!head) return head.error();
  if (head->workload == "set") return read_and_judge<SetHistory>(*parsed);
  if (head->workload == "bank") return read_and_judge<BankHistory>(*parsed);
  if (head->workload == "lists") return read_and_judge<ListsHistory>(*parsed);
  if (head->workload == "registers") return read_and_judge<RegistersHistory>(*parsed);
  if (head->workload == "monotonic") return read_and_judge<MonotonicHistory>(*parsed);
  if (head->workload == "echo") return read_and_judge<EchoHistory>(*parsed);
  return Error(ErrorCode::data_invalid, "there is no workload of this name",
               "history.workload is another word.",
               "set, bank, lists, registers, monotonic and echo are known.");
}

}  // namespace evergres::checks
