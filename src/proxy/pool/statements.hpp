#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/sql/look.hpp"

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
    SqlLook look;
  };

  /// What nobody needs is kept up to `bytes_most`, the longest unneeded go first. What clients need
  /// is kept whatever its size: each client's share is bounded by ClientStatements.
  /// `chance`: 16 to 32 letters or digits that no client can guess, as a part of every name: what
  /// a client could name in EXECUTE, PREPARE or DEALLOCATE would be another client's.
  StatementCatalog(std::size_t bytes_most, std::string chance);

  /// The statement of this text, types and `bucket`, which separates what must not share a plan
  /// (it may be empty). Needed once more until release().
  StatementId acquire(std::string_view sql, std::string_view types, std::string_view bucket);
  void release(StatementId id);

  /// Of an id that somebody needs.
  [[nodiscard]] const Statement& at(StatementId id) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// On servers. No name is used twice, and none that a client chose. At most 62 bytes: PostgreSQL
  /// cuts names at 63.
  [[nodiscard]] std::string server_name(StatementId id) const;
  /// The same without allocating: into `room`.
  using NameRoom = std::array<char, 64>;
  std::string_view server_name(StatementId id, NameRoom& room) const;

 private:
  struct Entry {
    Statement statement;
    std::string key;
    std::size_t needed = 0;
    std::list<StatementId>::iterator idle;  ///< of an entry that nobody needs
  };
  void trim();

  std::size_t bytes_most_;
  std::string prefix_;
  std::size_t bytes_ = 0;
  StatementId last_ = 0;
  // Ordered: clients choose the keys, and could choose such as share a hash.
  std::map<StatementId, Entry> entries_;
  std::map<std::string, StatementId> by_key_;
  std::list<StatementId> idle_;  ///< longest first
};

/// The names of one client. It gives up what it needs when it is destroyed.
class ClientStatements {
 public:
  static constexpr std::size_t name_most = std::size_t{8} * 1024;  ///< bytes, as in a Bind that is read

  ClientStatements(StatementCatalog& catalog, std::size_t most, std::size_t bytes_most)
      : catalog_(catalog), most_(most), bytes_most_(bytes_most) {}
  ~ClientStatements() { clear(); }
  ClientStatements(const ClientStatements&) = delete;
  ClientStatements& operator=(const ClientStatements&) = delete;

  enum class Put {
    stored,
    exists,  ///< 42P05: a name has to be closed before it is used again; the unnamed one has not
    full,    ///< 53400: the bound of names, of bytes (names count), or of one name
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

/// What is prepared on one server, the least recently used first to go. A statement is in doubt
/// until its Parse, or its Close, is answered: in the same Sync segment a failure skips what uses
/// it too, in a later one it does not, so that there it is closed and parsed anew. Each Parse is
/// answered by parsed() or parse_failed(), each Close by closed() or close_skipped(), in the order
/// in which they were sent.
class ServerStatements {
 public:
  explicit ServerStatements(std::size_t most) : most_(most) {}

  struct Use {
    bool parse = false;  ///< send Parse first
    /// And before anything else Close of this one, also without a Parse; of `id` itself if it is in
    /// doubt (to close what is not there is no error).
    std::optional<StatementId> close;
  };
  /// A client uses `id` on this server. What is in doubt is not closed to make room: as long as
  /// nothing is answered it may hold more than `most`.
  Use use(StatementId id);
  /// A Sync was sent, or a Query: what follows is executed even if what was before it fails.
  void segment_ends() { ++segment_; }
  /// ParseComplete.
  void parsed(StatementId id);
  /// CloseComplete of one that use() wanted closed.
  void closed(StatementId id) { closing_.erase(id); }
  /// The server refused the Parse, or skipped it because something before it in the same pipeline
  /// had failed: it does not have the statement.
  void parse_failed(StatementId id);
  /// The server skipped the Close of one that use() wanted closed: if it had it, it has it still,
  /// and it has to be closed again. Until then it counts. Told before the Parse behind that Close.
  void close_skipped(StatementId id);
  /// DISCARD ALL, DEALLOCATE ALL.
  void clear();
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  struct Place {
    std::list<StatementId>::iterator used;
    std::size_t in_doubt = 0;    ///< so many Parse are not answered
    std::uint64_t segment = 0;   ///< of the last of them
    bool there = false;          ///< as far as the answers tell
    bool bare = false;           ///< no Close of it stands in front of the next Parse
    bool close_skipped = false;  ///< of the Close in front of the next Parse to be answered
  };
  std::optional<StatementId> take_least_used(StatementId except);

  std::size_t most_;
  std::uint64_t segment_ = 0;
  std::list<StatementId> used_;  ///< least recently first
  std::map<StatementId, Place> places_;
  std::map<StatementId, std::uint64_t> closing_;  ///< to make room, in which segment; no answer yet
};

}  // namespace evergres::proxy
