#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "agent/knowledge.hpp"
#include "agent/operations/operation.hpp"
#include "net/local_socket.hpp"
#include "net/worker.hpp"

namespace evergres::agent {

/// Answers the command line on RUN_DIRECTORY/agent.sock: status, history, explain, settings,
/// switchover, failover, restart, reinit, fence, unfence, pause, resume, reload. Belongs to the
/// control thread; what blocks runs on a worker.
class Control {
 public:
  Control(boost::asio::any_io_executor executor, const Setup& setup, Knowledge& knowledge,
          Tell tell);

  Outcome open();
  net::awaitable<void> serve();

  using Answer = Result<boost::json::value>;
  /// A request that comes another way than by the socket; nobody hears of its progress. The caller
  /// answers for who asks.
  net::awaitable<Answer> ask_quietly(boost::json::value request);

 private:
  /// Answers, and remembers what was refused.
  net::awaitable<Answer> answer(boost::json::value request, net::LocalConversation& talk);
  net::awaitable<Answer> answer_verb(boost::json::value request, net::LocalConversation& talk);
  net::awaitable<Answer> history();
  Answer explain(const boost::json::object& request);
  net::awaitable<Answer> change_leader(core::Request request, bool dry_run,
                                       net::LocalConversation& talk);
  net::awaitable<Answer> restart(core::Request request, bool dry_run, net::LocalConversation& talk);
  /// control_reinit.cpp
  net::awaitable<Answer> reinit(core::Request request, bool dry_run, bool wait,
                                net::LocalConversation& talk);
  /// `before`: the incarnation of the node when the request was made.
  net::awaitable<Answer> follow_reinit(core::Request request, std::optional<Incarnation> before,
                                       bool wait, net::LocalConversation& talk);
  Outcome check_reinit(const NodeName& node) const;
  /// control_pause.cpp
  net::awaitable<Answer> set_paused(bool paused, bool dry_run, bool wait,
                                    net::LocalConversation& talk);
  /// control_cluster.cpp
  net::awaitable<Answer> show_cluster_settings();
  net::awaitable<Answer> edit_cluster_settings(const boost::json::object& request,
                                               net::LocalConversation& talk);
  net::awaitable<Outcome> wait_for_settings(std::uint64_t generation, net::LocalConversation& talk);
  /// control_fence.cpp
  net::awaitable<Answer> fence(const boost::json::object& request, net::LocalConversation& talk);
  net::awaitable<Answer> unfence(const boost::json::object& request, net::LocalConversation& talk);
  net::awaitable<Answer> wait_until_out(NodeName node, net::LocalConversation& talk);
  Outcome check_fence(const NodeName& node, bool force) const;
  /// control_settings.cpp
  net::awaitable<Answer> pending_settings();
  net::awaitable<Answer> reload(const boost::json::object& request);
  net::awaitable<Outcome> ask(const core::Request& request);
  /// Hands::change_record() on the worker, from where it learns the new record.
  net::awaitable<Outcome> change_record(Hands::Transition change);
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
