#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "agent/knowledge.hpp"
#include "agent/operations/operation.hpp"
#include "cluster/route_word.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"

namespace evergres::agent {

/// What this agent knows that matters to an endpoint, number, machine and socket aside. A node
/// whose card has no address that could be one is left out.
cluster::RouteWord route_word_of(const Knowledge& knowledge);

/// Tells endpoints who leads. A watcher is told, and may only acknowledge: nothing that it says
/// changes anything but how long a planned handover waits for it. Belongs to the control thread.
class Watchers {
 public:
  Watchers(boost::asio::any_io_executor executor, const Setup& setup, Knowledge& knowledge);

  /// Until the watcher leaves, is silent for 3 s or says what makes no sense.
  net::awaitable<void> serve(net::Channel channel);
  /// Tells everybody at once if something that matters changed.
  void refresh();

 private:
  struct Line;
  net::awaitable<void> tell(net::Channel& channel, Line& line);
  net::awaitable<void> hear(net::Channel& channel, Line& line);
  cluster::RouteWord word();

  boost::asio::any_io_executor executor_;
  const Setup& setup_;
  Knowledge& know_;
  std::string machine_;
  cluster::RouteWord told_;  ///< what matters of the last word
  std::uint64_t number_ = 1;
  std::uint64_t last_line_ = 0;
  std::map<std::uint64_t, Line*> lines_;
};

}  // namespace evergres::agent
