#pragma once

#include <vector>

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
/// whatever becomes of their connection. An answer that does not come in time is unknown for ever.
class Clients {
 public:
  struct Counts {
    std::uint64_t acknowledged = 0;
    std::uint64_t unknown = 0;
    std::uint64_t refused = 0;  ///< certainly not done
    std::uint64_t held = 0;     ///< the proxy knew no open leader
  };
  Clients(const Surroundings& world, const Judge::Machines& machines, Judge& judge);

  /// `procedures`: some of them are called as well.
  void begin(std::size_t writers, Nanos pause, bool procedures);
  /// A procedure that is called on this server just now, and commits so often.
  void run_procedure(Place server, std::uint32_t commits);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void learn_routes(Place proxy);
  void write(std::size_t client);
  void send(std::size_t client, Place proxy, Place server);
  void call_procedure(std::size_t client, Place proxy, Place server);
  void commit_again(Place server, std::uint32_t left);
  void cancel_later(Place server, std::uint64_t record);
  /// Whether PostgreSQL's answer counts as done, and what that means.
  [[nodiscard]] bool is_done(PostgresModel::Answer answer) const;
  void over(std::size_t client);

  const Surroundings& world_;
  const Judge::Machines& machines_;
  Judge& judge_;
  std::vector<Route> routes_;  ///< one proxy on each machine
  Nanos pause_{0};
  bool procedures_ = false;
  Counts counts_;
};

}  // namespace evergres::sim
