#pragma once

#include <vector>

#include "checks/set.hpp"
#include "sim/judge.hpp"

namespace evergres::sim {

/// What a proxy knows of who leads: the highest term of any agent that it heard.
struct Route {
  Revision revision;
  Term term;
  std::optional<NodeName> leader;  ///< while one is open
};

/// Applications that write. Some ask a proxy's route, which follows the agents; others try whoever
/// takes their connection; and some call a procedure, which commits again and again on the server
/// whatever becomes of their connection. A proxy closes the connections of a term when it hears of
/// a newer one. An answer that does not come in time, or at all, is unknown for ever.
class Clients {
 public:
  struct Counts {
    std::uint64_t acknowledged = 0;
    std::uint64_t unknown = 0;
    std::uint64_t refused = 0;  ///< certainly not done
    std::uint64_t held = 0;     ///< the proxy knew no open leader
    std::uint64_t closed = 0;   ///< by the proxy, before the answer came
  };
  Clients(const Surroundings& world, const Judge::Machines& machines, Judge& judge);

  /// `procedures`: some of them are called as well.
  void begin(std::size_t writers, Nanos pause, bool procedures);
  /// A procedure that is called on this server just now, and commits so often.
  void run_procedure(Place server, std::uint32_t commits);
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// What everybody was told, against what this server has in the end.
  [[nodiscard]] checks::Anomalies anomalies(const Wal& found) const;

 private:
  /// A write, until its client knows what became of it.
  struct Asked {
    std::size_t client = 0;
    std::size_t write = 0;  ///< among writes_
    Place proxy = 0;
    std::optional<Term> term;  ///< of the route; none of a client that chose the server itself
    bool over = false;
  };
  using Open = std::shared_ptr<Asked>;
  void learn_routes(Place proxy);
  void close_older(Place proxy);
  void write(std::size_t client);
  void send(std::size_t client, Place proxy, Place server, std::optional<Term> term);
  void ask(const Open& asked, Place server);
  void tell(const Open& asked, checks::Told told, std::uint64_t& count);
  std::size_t new_write();
  void call_procedure(std::size_t client, Place proxy, Place server);
  void commit_again(Place server, std::uint32_t left);
  void cancel_later(Place server, std::uint64_t record);
  /// Whether PostgreSQL's answer counts as done, and what that means.
  [[nodiscard]] bool is_done(PostgresModel::Answer answer) const;
  void over(std::size_t client);

  const Surroundings& world_;
  const Judge::Machines& machines_;
  Judge& judge_;
  std::vector<Route> routes_;            ///< one proxy on each machine
  std::vector<std::vector<Open>> open_;  ///< by proxy: what went along a route
  std::vector<checks::Addition> writes_;
  std::map<std::uint64_t, std::size_t> write_of_;  ///< of a record of WAL
  Nanos pause_{0};
  bool procedures_ = false;
  Counts counts_;
};

}  // namespace evergres::sim
