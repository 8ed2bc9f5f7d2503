#pragma once

#include <string>
#include <string_view>

#include "proxy/sql/look.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// What a client is told in the place of an answer.
struct Failure {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
};

/// How a statement is found that a Bind names.
class StatementLooks {
 public:
  virtual const SqlLook* look_of(std::string_view statement) const = 0;
  virtual void parsed(std::string_view name, std::string_view sql, std::string_view types) = 0;
  virtual void closed(std::string_view name) = 0;

 protected:
  ~StatementLooks() = default;
};

/// Answers a client whose server is gone, as PostgreSQL answers inside a failed transaction, until
/// it has rolled back; or refuses one request. Bytes in, bytes out.
class Surrender {
 public:
  enum class Mode {
    off,
    refuse,   ///< the next request fails; then off
    owe,      ///< a transaction is over and the client does not know it yet
    aborted,  ///< it knows: everything but its end fails with 25P02
    skip,     ///< nothing is answered up to the next Sync, then off
  };

  void refuse(Failure failure) { begin(Mode::refuse, std::move(failure)); }
  void owe(Failure failure) { begin(Mode::owe, std::move(failure)); }
  /// The client was told already; the request it was told in has not ended if `in_segment`.
  void told(bool in_segment) {
    begin(Mode::aborted, {});
    skipping_ = in_segment;
  }
  /// An error was told outside a transaction in a request that has not ended.
  void skip() {
    begin(Mode::skip, {});
    skipping_ = true;
  }

  [[nodiscard]] bool on() const { return mode_ != Mode::off; }
  [[nodiscard]] Mode mode() const { return mode_; }

  /// A message of the client. Pieces behind the first of a message are ignored.
  void take(const Frame& frame, StatementLooks& statements, std::string& to);

 private:
  void begin(Mode mode, Failure failure) {
    mode_ = mode;
    failure_ = std::move(failure);
    skipping_ = ended_ = false;
  }
  void query(std::string_view sql, bool whole, std::string& to);
  bool judge(SqlKind kind, std::string& to);
  void fail(std::string& to);
  void synced(std::string& to);

  Mode mode_ = Mode::off;
  Failure failure_;
  bool skipping_ = false;
  bool ended_ = false;  ///< the transaction is over for the client too, from the next Sync on
};

}  // namespace evergres::proxy
