#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "agent/knowledge.hpp"
#include "agent/operations/operation.hpp"
#include "net/local_socket.hpp"
#include "net/worker.hpp"

namespace evergres::agent {

/// Answers the command line on RUN_DIRECTORY/agent.sock: status, history, explain, switchover,
/// failover, restart. Belongs to the control thread; what blocks runs on a worker.
class Control {
 public:
  Control(boost::asio::any_io_executor executor, const Setup& setup, Knowledge& knowledge,
          Tell tell);

  Outcome open();
  net::awaitable<void> serve();

 private:
  using Answer = Result<boost::json::value>;
  net::awaitable<Answer> answer(boost::json::value request, net::LocalConversation& talk);
  net::awaitable<Answer> history();
  Answer explain(const boost::json::object& request);
  net::awaitable<Answer> change_leader(core::Request request, bool dry_run,
                                       net::LocalConversation& talk);
  net::awaitable<Answer> restart(core::Request request, bool dry_run, net::LocalConversation& talk);
  net::awaitable<Outcome> ask(const core::Request& request);
  net::awaitable<Answer> wait_for_leader(Term before, std::string request_id,
                                         std::optional<NodeName> wished,
                                         net::LocalConversation& talk);
  Outcome check_switchover(const core::Request& request) const;
  Outcome check_failover(const core::Request& request) const;

  boost::asio::any_io_executor executor_;
  const Setup& setup_;
  Knowledge& know_;
  Tell tell_;
  std::optional<net::LocalServer> server_;
  net::Worker worker_{"evg-control"};
};

}  // namespace evergres::agent
