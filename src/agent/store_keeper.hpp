#pragma once

#include <atomic>
#include <thread>

#include "agent/operations/operation.hpp"
#include "agent/own_card.hpp"
#include "agent/pulse.hpp"

namespace evergres::agent {

/// The thread that speaks with the store once a second, and at once when poked: it reads the
/// record, renews it while we are its open leader, announces this node and reads the cards of the
/// others. A store that hangs holds up nothing else.
class StoreKeeper {
 public:
  StoreKeeper(const Setup& setup, std::string node_id, Claim agent, Tell tell);

  void poke() { pulse_.poke(); }
  /// Set by the control thread: what the next round writes.
  struct Duty {
    bool renew = false;
    Claim agent;  ///< this run
    Incarnation incarnation;
    std::vector<std::string> hears;
    cluster::SettingsOfNode settings;  ///< how far this node is with them
    Term open_term;                    ///< of the open leader; 0 while there is none
  };
  void set_duty(Duty duty);

 private:
  void run(const std::stop_token& stop);
  Outcome round();
  /// See OwnCard::announce.
  Result<std::optional<std::string>> announce(const Duty& duty);
  void read_cards();
  void read_settings();
  void read_history(Term open_term);
  void end_frozen_holder();

  const Setup& setup_;
  std::string node_id_;
  Tell tell_;
  Pulse pulse_;
  std::mutex mutex_;
  Duty duty_;
  std::optional<cluster::ClusterStore> store_;
  OwnCard card_;
  std::uint64_t beat_ = 0;
  Instant announced_at_;
  Instant cards_read_at_;
  Instant history_read_at_;      ///< 0: never
  Term history_end_;             ///< newest term in it
  unsigned history_misses_ = 0;  ///< reads in a row that did not find the open term
  std::map<NodeName, std::pair<std::uint64_t, Instant>> beats_;  ///< last beat and when it moved
  std::jthread thread_;                                          // last: it uses all of the above
};

}  // namespace evergres::agent
