#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

/// Prepared statements that outlive the server they were prepared on. A client's statement is known
/// here by what it says; on servers it has a name of ours, so that clients share it. Parsing is
/// pipelined in front of the first use on a server. One thread.
namespace evergres::proxy {

using StatementId = std::uint64_t;

/// All statements of one pool (one database, one user), and who needs them.
class StatementCatalog {
 public:
  struct Statement {
    std::string sql;
    std::string types;  ///< as in ParseView
  };

  /// What nobody needs is kept up to `bytes_most`, the longest unneeded go first. What clients need
  /// is kept whatever its size: each client's share is bounded by ClientStatements.
  explicit StatementCatalog(std::size_t bytes_most) : bytes_most_(bytes_most) {}

  /// The statement of this text, types and `bucket`, which separates what must not share a plan
  /// (it may be empty). Needed once more until release().
  StatementId acquire(std::string_view sql, std::string_view types, std::string_view bucket);
  void release(StatementId id);

  /// Of an id that somebody needs.
  [[nodiscard]] const Statement& at(StatementId id) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// On servers. No name is used twice, and none that a client chose.
  static std::string server_name(StatementId id);

 private:
  struct Entry {
    Statement statement;
    std::string key;
    std::size_t needed = 0;
    std::list<StatementId>::iterator idle;  ///< of an entry that nobody needs
  };
  void trim();

  std::size_t bytes_most_;
  std::size_t bytes_ = 0;
  StatementId last_ = 0;
  std::unordered_map<StatementId, Entry> entries_;
  std::unordered_map<std::string, StatementId> by_key_;
  std::list<StatementId> idle_;  ///< longest first
};

/// The names of one client. It gives up what it needs when it is destroyed.
class ClientStatements {
 public:
  ClientStatements(StatementCatalog& catalog, std::size_t most, std::size_t bytes_most)
      : catalog_(catalog), most_(most), bytes_most_(bytes_most) {}
  ~ClientStatements() { clear(); }
  ClientStatements(const ClientStatements&) = delete;
  ClientStatements& operator=(const ClientStatements&) = delete;

  enum class Put {
    stored,
    exists,  ///< 42P05: a name has to be closed before it is used again; the unnamed one has not
    full,    ///< 53400: the bound of names or of bytes
  };
  Put put(std::string_view name, std::string_view sql, std::string_view types,
          std::string_view bucket);
  [[nodiscard]] std::optional<StatementId> find(std::string_view name) const;
  /// Closing a name that is not there is no error (protocol documentation, Close).
  void close(std::string_view name);
  void clear();
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  StatementCatalog& catalog_;
  std::size_t most_;
  std::size_t bytes_most_;
  std::size_t bytes_ = 0;
  std::map<std::string, StatementId, std::less<>> names_;
};

/// What is prepared on one server, the least recently used first to go.
class ServerStatements {
 public:
  explicit ServerStatements(std::size_t most) : most_(most) {}

  struct Use {
    bool parse = false;                ///< send Parse first
    std::optional<StatementId> close;  ///< and before that Close of this one
  };
  /// A client uses `id` on this server. Assumes that a Parse succeeds: see parse_failed().
  Use use(StatementId id);
  /// The server refused the Parse, or skipped it because something before it in the same pipeline
  /// had failed: it does not have the statement.
  void parse_failed(StatementId id);
  /// The server skipped the Close of one that use() wanted closed: it has it still, and it has to
  /// be closed again. Until then it counts.
  void close_skipped(StatementId id);
  /// DISCARD ALL, DEALLOCATE ALL.
  void clear();
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  std::size_t most_;
  std::list<StatementId> used_;  ///< least recently first
  std::unordered_map<StatementId, std::list<StatementId>::iterator> places_;
};

}  // namespace evergres::proxy
