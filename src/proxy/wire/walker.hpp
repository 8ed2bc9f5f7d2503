#pragma once

#include <cstdint>
#include <string_view>

namespace evergres::proxy {

/// Who sends what is walked.
enum class Side { frontend, backend };

/// Which messages may come, and how long they may be. `login` lasts until the first ReadyForQuery
/// of a server, and until a client was let in.
enum class Phase { login, session };

inline constexpr std::uint32_t header_bytes = 5;
/// PostgreSQL's own limits (tcop/postgres.c SocketBackend, libpq/libpq.h): the bodies of messages
/// that carry values, and of the others.
inline constexpr std::uint32_t large_message = 0x3fffffff - 1;
inline constexpr std::uint32_t small_message = 10'000;

/// The bounds of one type of message. Lengths are those of the body: without type and length word.
struct MessageRule {
  char type = 0;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  /// As many bytes of the body are handed out together, however the network cuts them; a body that
  /// is not longer comes whole.
  std::uint32_t head = 0;
};

/// Nothing for a type that `side` may not send in `phase`.
const MessageRule* rule_of(Side side, Phase phase, char type);

enum class FrameKind {
  whole,      ///< one complete message
  piece,      ///< a part of a message that is passed on as it comes; the first has its head
  more,       ///< wait: the bytes that are there are not enough to say anything
  violation,  ///< no peer that keeps to the protocol sends this: close the connection
};

/// What stands at the front of the bytes that have arrived.
struct Frame {
  FrameKind kind = FrameKind::more;
  char type = 0;
  std::uint32_t body = 0;     ///< length of the whole body
  bool first = false;         ///< `bytes` begins with the header
  bool last = false;          ///< the message ends with `bytes`
  std::string_view bytes;     ///< what was consumed: header and body
  std::uint32_t lacking = 0;  ///< of `more`: as many bytes at least have to arrive. Never reserve
                              ///< memory by it; read into what is there
  std::string_view why;       ///< of `violation`: what is wrong, without a full stop

  /// The body, as far as it is in `bytes`.
  [[nodiscard]] std::string_view payload() const {
    return first ? bytes.substr(header_bytes) : bytes;
  }
};

/// Walks the headers of one direction of one connection without copying and without allocating.
/// What next() does not consume (at most a header and the head of one message) the caller keeps and
/// presents again in front of what arrives next. One thread at a time.
class Walker {
 public:
  Walker(Side side, Phase phase) : side_(side), phase_(phase) {}

  /// Consumes the front of `input`. After a violation there are only violations.
  Frame next(std::string_view& input);

  /// Nothing of a message has been consumed that is not complete. After half of a message nothing
  /// else may be sent in the same direction.
  [[nodiscard]] bool between_messages() const { return left_ == 0 && broken_.empty(); }

  void enter(Phase phase) { phase_ = phase; }
  [[nodiscard]] Phase phase() const { return phase_; }

 private:
  Frame violation(char type, std::string_view why);
  Frame begin(std::string_view& input, const MessageRule& rule, std::uint32_t body);

  Side side_;
  Phase phase_;
  char type_ = 0;
  std::uint32_t body_ = 0;
  std::uint32_t left_ = 0;  ///< bytes of the current message still to come
  std::string_view broken_;
};

}  // namespace evergres::proxy
