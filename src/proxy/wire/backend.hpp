#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/wire/reader.hpp"

/// What a pooler reads of a server's messages. The server is as untrusted as a client: each
/// function answers nothing if the body cannot be such a message, and the connection is closed.
/// Views point into the body.
namespace evergres::proxy {

/// 'Z'. The only sign that a server may be given to somebody else, and not a sufficient one.
enum class TransactionStatus : char { idle = 'I', open = 'T', failed = 'E' };
std::optional<TransactionStatus> read_ready(std::string_view body);

/// 'S'.
struct ParameterView {
  std::string_view name;
  std::string_view value;
};
std::optional<ParameterView> read_parameter(std::string_view body);

/// 'K'. `key`: 4 to 256 bytes.
struct BackendKeyView {
  std::int32_t pid = 0;
  std::string_view key;
};
std::optional<BackendKeyView> read_backend_key(std::string_view body);

/// 'C': "INSERT 0 1".
std::optional<std::string_view> read_command_complete(std::string_view body);

/// What a completed command may have left behind, by its tag.
enum class CommandKind {
  read,            ///< SELECT, FETCH, SHOW, EXPLAIN, …: functions in it may have done anything
  write,           ///< INSERT, UPDATE, DELETE, MERGE, COPY, and every tag that is not known
  begin,           ///< BEGIN, START TRANSACTION
  commit,          ///< COMMIT
  rollback,        ///< ROLLBACK, also as the answer to a COMMIT of a failed transaction
  prepared,        ///< PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED
  savepoint,       ///< SAVEPOINT, RELEASE
  set,             ///< SET, RESET
  discard_all,     ///< DISCARD ALL
  deallocate,      ///< DEALLOCATE
  deallocate_all,  ///< DEALLOCATE ALL
  prepare,         ///< PREPARE
  listen,          ///< LISTEN
  unlisten,        ///< UNLISTEN; of one channel or of all
  declare_cursor,  ///< DECLARE CURSOR; the tag does not say WITH HOLD
  call,            ///< CALL, DO: may have committed inside
};
CommandKind command_kind(std::string_view tag);

/// 'E' and 'N'. Every field may be absent, whatever the documentation says (CVE-2026-6666); "" is
/// absent.
struct FieldsView {
  std::string_view severity;  ///< 'V', else 'S' (which is translated)
  std::string_view code;      ///< five letters, else ""
  std::string_view message;
  std::string_view detail;
  std::string_view hint;
  std::string_view routine;  ///< the C function that raised it; not translated
  bool whole = false;        ///< the list of fields ended as it should

  [[nodiscard]] bool fatal() const { return severity == "FATAL" || severity == "PANIC"; }
  [[nodiscard]] bool warning() const { return severity == "WARNING"; }
};
/// Never fails: what cannot be read is absent.
FieldsView read_fields(std::string_view body);

/// The warning after which a COMMIT's success means "on this server only": its wait for the
/// standbys was cancelled, or ended by a shutdown (syncrep.c, SyncRepWaitForLSN; the message is
/// translated, the name of the function is not).
bool is_cancelled_sync_wait(const FieldsView& notice);

/// An error that says that the server is in recovery: 25006, or 0A000 raised by the check that
/// refuses a read-write transaction there.
bool is_refusal_of_a_standby(const FieldsView& error);

/// 'R'.
enum class AuthKind : std::uint32_t {
  ok = 0,
  cleartext = 3,
  md5 = 5,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12,
};
struct AuthView {
  std::uint32_t kind = 0;  ///< an AuthKind, or a number that we do not know
  std::string_view data;   ///< of sasl: names, each ended by a zero byte, and a zero byte
  [[nodiscard]] bool is(AuthKind which) const { return kind == static_cast<std::uint32_t>(which); }
};
std::optional<AuthView> read_auth(std::string_view body);
/// At most eight mechanisms; nothing if the list does not end as it should.
std::optional<std::vector<std::string_view>> read_mechanisms(std::string_view data);

/// 'v'.
struct NegotiateView {
  std::uint32_t minor = 0;
  std::vector<std::string_view> unknown_options;
};
/// `asked`: how many "_pq_." options we sent; a server cannot refuse more.
std::optional<NegotiateView> read_negotiate(std::string_view body, std::size_t asked);

/// 'A'.
struct NotificationView {
  std::int32_t pid = 0;
  std::string_view channel;
  std::string_view payload;
};
std::optional<NotificationView> read_notification(std::string_view body);

/// 'G', 'H', 'W': which way a COPY goes is in the type, of each column only the number is read.
struct CopyView {
  bool binary = false;
  std::uint16_t columns = 0;
};
std::optional<CopyView> read_copy(std::string_view head);

}  // namespace evergres::proxy
