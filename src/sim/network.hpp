#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "sim/choices.hpp"
#include "sim/event_queue.hpp"

namespace evergres::sim {

/// A machine, or the store: an index.
using Place = std::size_t;

/// What travels: each kind can be cut alone.
enum class Traffic { peers, replication, store, clients };
inline constexpr std::size_t kinds_of_traffic = 4;

/// How the way from one place to another is just now.
struct Way {
  std::array<int, kinds_of_traffic> cut{};  ///< by how many faults
  std::uint32_t loss = 0;                   ///< permille of messages
  std::uint32_t twice = 0;                  ///< permille that arrive again, later
  Nanos least{50'000};
  Nanos most{400'000};
};

/// Messages between places: late, lost, twice, out of order, or not at all while a way is cut. It
/// knows nothing of processes: whoever receives looks whether anybody is there.
class Network {
 public:
  Network(EventQueue& events, Choices& choices, std::size_t places);

  [[nodiscard]] std::size_t places() const { return ways_.size(); }
  [[nodiscard]] Way& way(Place from, Place to) { return ways_[from][to]; }
  [[nodiscard]] const Way& way(Place from, Place to) const { return ways_[from][to]; }
  [[nodiscard]] bool open(Place from, Place to, Traffic kind) const;
  /// Both directions.
  [[nodiscard]] bool linked(Place a, Place b, Traffic kind) const {
    return open(a, b, kind) && open(b, a, kind);
  }
  /// Cuts (or, with -1, mends) all or one kind, in one direction.
  void cut(Place from, Place to, int by);
  void cut(Place from, Place to, Traffic kind, int by);
  /// Called before a way is cut or mended: what was open was open until now.
  std::function<void()> before_change;

  /// A message that may be lost. `arrival` runs not at all, once or twice.
  void send(Place from, Place to, Traffic kind, EventQueue::Action arrival);
  Nanos travel_time(Place from, Place to);

  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  EventQueue& events_;
  Choices& choices_;
  std::vector<std::vector<Way>> ways_;
  std::uint64_t sent_ = 0;
};

/// One direction of a connection: in order and complete, but late while the way loses or is cut, as
/// TCP is. Closing drops what is under way.
class Stream {
 public:
  Stream(EventQueue& events, Network& network, Place from, Place to, Traffic kind);
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void send(EventQueue::Action arrival);
  void close() { line_->open = false; }

 private:
  struct Line {
    EventQueue& events;
    Network& network;
    Place from;
    Place to;
    Traffic kind;
    bool open = true;
    bool moving = false;
    int number = 0;  ///< of the message that travels
    std::deque<EventQueue::Action> waiting;
  };
  static void move(const std::shared_ptr<Line>& line);

  std::shared_ptr<Line> line_;
};

}  // namespace evergres::sim
