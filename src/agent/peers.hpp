#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>

#include "agent/knowledge.hpp"
#include "agent/operations/operation.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"

namespace evergres::agent {

/// What travels between agents, in both directions on connections of their own: each agent dials
/// every other and tells it its whole state each heartbeat, and at once when something that matters
/// changed.
struct PeerMessage {
  Instant sent;  ///< the sender's clock
  Instant echo;  ///< `sent` of the newest message it has received from the receiver; 0: none
  core::Heartbeat beat;
  std::optional<core::Record> record;  ///< if the receiver seems not to know it
  Revision record_revision;
};
constexpr auto fields(const PeerMessage*) {
  return std::tuple{Field{"sent", &PeerMessage::sent}, Field{"echo", &PeerMessage::echo},
                    Field{"beat", &PeerMessage::beat}, Field{"record", &PeerMessage::record},
                    Field{"record_revision", &PeerMessage::record_revision}};
}

/// The peers' port. Belongs to the control thread.
class Peers {
 public:
  /// `changed` is called after every message or disconnection: the loop decides again.
  /// `on_watcher` serves those who only watch; without it they are refused.
  Peers(const boost::asio::any_io_executor& executor, const Setup& setup, Knowledge& knowledge,
        std::function<void()> changed, net::Listener::OnChannel on_watcher = {});
  ~Peers();

  /// Serves until cancelled. Errors of listening are thrown as Error by open().
  Outcome open();
  net::awaitable<void> serve();
  /// Dials nodes whose cards are new, and sends at once if the heartbeat says something new.
  void refresh();

 private:
  struct Line;  ///< our connection to one peer
  net::awaitable<void> dial(NodeName name, Line& line);
  net::awaitable<void> talk(NodeName name, Line& line, net::Channel channel);
  net::awaitable<void> listen_to(net::Channel channel);
  void take(const NodeName& from, const PeerMessage& message);
  std::string message_for(const NodeName& name, bool greets);
  bool record_is_news();

  boost::asio::any_io_executor executor_;
  const Setup& setup_;
  Knowledge& know_;
  std::function<void()> changed_;
  net::Listener::OnChannel on_watcher_;
  std::optional<net::Listener> listener_;
  std::map<NodeName, std::unique_ptr<Line>> lines_;
  std::map<NodeName, Instant> last_sent_of_;      ///< the newest `sent` received, by peer
  std::map<NodeName, std::uint64_t> generation_;  ///< newest incoming connection, by peer
  core::Heartbeat told_;                          ///< what matters of the last heartbeat
  Revision told_revision_;
  std::optional<core::Record> told_record_;
  net::TaskGroup tasks_;
};

}  // namespace evergres::agent
