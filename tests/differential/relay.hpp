#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

namespace evergres::differential {

/// Between the receiver of a real server and its upstream, on unix sockets. Passes on what comes,
/// for one connection at a time, until it is told otherwise.
class Relay {
 public:
  /// Listens at `here` from now on, and connects to `there` whenever somebody comes.
  Relay(const std::filesystem::path& here, std::filesystem::path there);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// See Server. From when it returns on nothing comes down.
  void hold_wal();
  void cut_reply() { cuts_replies_ = true; }
  [[nodiscard]] bool reply_is_cut() const { return is_cut_; }
  void complete_reply() { cuts_replies_ = false; }

 private:
  void run();
  void connect();
  void disconnect();
  void pass_up();
  void pass_down();

  std::filesystem::path there_;
  int listener_ = -1;
  int receiver_ = -1;
  int sender_ = -1;
  std::string rest_;  ///< of a reply that is cut
  std::atomic<bool> holds_wal_{false};
  std::atomic<bool> is_holding_{false};
  std::atomic<bool> cuts_replies_{false};
  std::atomic<bool> is_cut_{false};
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace evergres::differential
