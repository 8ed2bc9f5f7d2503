#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/session/owed_queue.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/frontend.hpp"

namespace evergres::proxy {

/// Whose message it is: its answers are the client's, or are swallowed.
enum class Owner : std::uint8_t { client, us };

/// A message that a server has been sent and has not answered.
struct Owed {
  char type = 0;
  Owner owner = Owner::client;
  Target target = Target::statement;  ///< of a Describe
  std::uint64_t note = 0;             ///< the caller's: which statement a Parse was for
};

/// What to do with a message of the server.
struct Answer {
  enum class To {
    client,
    nobody,
    /// A notice, a parameter, a notification: belongs to no request and may come at any time.
    aside,
    /// No server sends this here. Close it; what the client is owed is lost.
    violation,
  };
  To to = To::client;
  bool ready = false;        ///< a ReadyForQuery that ends a request
  bool unsolicited = false;  ///< an error that answers nothing: the server is going away
};

/// Which answers a server still owes, in the order in which it was asked. The rule that it serves:
/// a server goes back to the pool only when it is idle, owes nothing, and nothing is unread;
/// closing it is what happens otherwise (PgDog #759, Supavisor #1172). Follows postgres.c: after an
/// error in the extended protocol everything up to the next Sync is skipped; in COPY FROM STDIN
/// Sync is ignored. One per server connection, from its first ReadyForQuery on. One thread.
class Ledger {
 public:
  /// `most`: with as many unanswered messages the client is not read any further.
  explicit Ledger(std::size_t most) : most_(most) {}

  /// The client is not read any further until answers have come. See wants_flush().
  [[nodiscard]] bool full() const { return owed_.size() >= most_; }

  /// Full of what the server may answer into its own buffer and keep there: nothing behind it makes
  /// the server send. The caller then sends a Flush of its own, or it would wait for ever; sent()
  /// is told of it too.
  [[nodiscard]] bool wants_flush() const { return full() && unflushed_; }

  /// A message is sent to the server, which it will skip unanswered: `skipped` tells which.
  void sent(const Owed& message, std::vector<Owed>& skipped);

  /// A message of the server, once, at its first piece. `body` is read of ReadyForQuery only.
  /// `skipped`: what it will not answer any more because of it, in order. A Parse there left
  /// nothing, a Close closed nothing.
  Answer received(char type, std::string_view body, std::vector<Owed>& skipped);

  /// What the last message that answered anything belonged to.
  [[nodiscard]] const Owed& answered() const { return answered_; }
  [[nodiscard]] TransactionStatus status() const { return status_; }
  [[nodiscard]] std::size_t owed() const { return owed_.size(); }
  /// The server ignores everything up to a Sync that was not sent yet.
  [[nodiscard]] bool skips() const { return skipping_; }
  /// In COPY FROM STDIN, or both ways.
  [[nodiscard]] bool takes_copy_data() const { return copy_in_ || copy_both_; }

  /// Whether a Sync that was sent into a COPY FROM STDIN was ignored as part of it, or answered
  /// after its error, is not known yet. What follows shows it. If the client is silent and nothing
  /// but that is open, an empty Query of ours settles it: its answer comes behind what is missing.
  [[nodiscard]] bool doubtful() const { return slack_ > 0; }

  /// Idle, owes nothing, and has no transaction open that waits for a Sync: the status is that of
  /// the last ReadyForQuery, which an Execute behind it does not change. The caller adds: nothing
  /// is unread (Walker::between_messages(), and no bytes behind it), and no cancel request is on
  /// its way to it.
  [[nodiscard]] bool releasable() const {
    return owed_.empty() && status_ == TransactionStatus::idle && !skipping_ && !copy_in_ &&
           !copy_out_ && !copy_both_ && !lost_ && !unsynced_;
  }

 private:
  Answer error(std::vector<Owed>& skipped);
  Answer ready(std::string_view body);
  Answer of_copy(char type);
  Answer answers(bool fits, bool ends);
  void begin_copy_in();
  void end_copy();
  void drop_spent();
  void settle(char type);

  std::size_t most_;
  OwedQueue<Owed> owed_;
  Owed answered_;
  TransactionStatus status_ = TransactionStatus::idle;
  bool skipping_ = false;   ///< the server ignores everything up to a Sync that was not sent yet
  bool unsynced_ = false;   ///< it has answered something behind its last ReadyForQuery
  bool unflushed_ = false;  ///< nothing behind the last message makes the server send its answers
  bool copy_in_ = false;
  bool copy_out_ = false;
  bool copy_both_ = false;
  bool copies_in_ = false;   ///< the command in front is a COPY FROM STDIN that has begun
  std::size_t ignored_ = 0;  ///< Syncs that the COPY FROM STDIN is ignoring
  std::size_t slack_ = 0;    ///< so many of the Syncs in front may never be answered
  bool mixed_ = false;       ///< other messages stand among those that a COPY may or may not ignore
  bool lost_ = false;        ///< what is answered and what is skipped cannot be known
};

}  // namespace evergres::proxy
