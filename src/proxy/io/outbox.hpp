#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/io/batch.hpp"

namespace evergres::proxy {

/// Whom something in an Outbox is for.
class Addressee {
 public:
  /// All that was put for it since the last time, or its next part. Puts nothing.
  virtual void deliver(std::string_view bytes) = 0;

 protected:
  ~Addressee() = default;
};

/// What clients are told at the end of a turn and not before: servers get their next requests
/// first, and a client program that serves many connections is woken once, with all that there is
/// for it. Copies, because what they view is read into anew meanwhile. Its memory is used again, so
/// that it allocates nothing once it has been as full before. One thread.
class Outbox {
 public:
  /// More is better sent at once than copied.
  static constexpr std::size_t longest = 16U << 10U;
  /// The batch, of at most `longest`, is empty afterwards. What is for the same addressee one after
  /// the other is delivered together.
  void put(Addressee& to, Batch& batch);
  /// Delivers everything, in the order in which it was put.
  void send();
  /// Of one that is destroyed: nothing is delivered to it.
  void forget(const Addressee& gone);

 private:
  static constexpr std::size_t most = 64U << 10U;
  struct Reply {
    Addressee* to;
    std::size_t from;
    std::size_t size;
  };
  std::vector<Reply> replies_;
  std::string bytes_;
};

}  // namespace evergres::proxy
