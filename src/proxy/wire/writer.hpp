#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/startup.hpp"

/// The messages that the proxy itself sends. Each function appends one message to `to`, which may
/// hold others: a batch is one write. A text ends at its first zero byte, since it cannot hold one.
namespace evergres::proxy {

/// Builds one message: the length word is filled in when it goes out of scope.
class Message {
 public:
  /// `type` 0: a packet without a type byte (startup, cancel).
  Message(std::string& to, char type);
  ~Message();
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Message& byte(char value);
  Message& u16(std::uint16_t value);
  Message& u32(std::uint32_t value);
  Message& text(std::string_view value);   ///< with its zero byte
  Message& bytes(std::string_view value);  ///< as they are
  /// A value of a Bind or a DataRow: its length and its bytes, or -1.
  Message& value(std::optional<std::string_view> value);

 private:
  std::string& to_;
  std::size_t length_at_;
};

// Toward a server.
void write_startup(std::string& to, const StartupMessage& startup);
void write_ssl_request(std::string& to);
void write_cancel(std::string& to, std::int32_t pid, std::string_view key);
void write_sasl_initial(std::string& to, std::string_view mechanism, std::string_view data);
void write_sasl_response(std::string& to, std::string_view data);
void write_query(std::string& to, std::string_view sql);
/// `types`: as in ParseView.
void write_parse(std::string& to, std::string_view statement, std::string_view sql,
                 std::string_view types = {});
/// All values and results as text.
void write_bind(std::string& to, std::string_view portal, std::string_view statement,
                std::span<const std::optional<std::string_view>> values);
/// A client's Bind with the statement's name replaced. `whole_body`: the length of the body that
/// came, of which `view` has the head; the rest has to follow as it comes.
void write_renamed_bind(std::string& to, const BindView& view, std::string_view statement,
                        std::uint32_t whole_body);
void write_describe(std::string& to, Target target, std::string_view name);
void write_close(std::string& to, Target target, std::string_view name);
void write_execute(std::string& to, std::string_view portal, std::int32_t rows = 0);
void write_sync(std::string& to);
void write_flush(std::string& to);
void write_copy_fail(std::string& to, std::string_view why);
void write_terminate(std::string& to);

// Toward a client.
void write_auth_ok(std::string& to);
void write_auth_sasl(std::string& to, std::initializer_list<std::string_view> mechanisms);
void write_auth_sasl_continue(std::string& to, std::string_view data);
void write_auth_sasl_final(std::string& to, std::string_view data);
/// NegotiateProtocolVersion: what is spoken, and which options are not known.
void write_negotiate(std::string& to, const StartupMessage& startup);
void write_parameter(std::string& to, std::string_view name, std::string_view value);
void write_backend_key(std::string& to, std::int32_t pid, std::string_view key);
void write_ready(std::string& to, TransactionStatus status);

enum class Severity { error, fatal };
/// The house's error with an SQLSTATE. Code, message, detail and hint as people see them.
void write_error(std::string& to, Severity severity, std::string_view sqlstate, const Error& error);
void write_notice(std::string& to, std::string_view severity, std::string_view sqlstate,
                  std::string_view message, std::string_view detail = {});
void write_parse_complete(std::string& to);
void write_bind_complete(std::string& to);
void write_close_complete(std::string& to);
void write_no_data(std::string& to);
void write_empty_query(std::string& to);
void write_command_complete(std::string& to, std::string_view tag);
/// Columns of type text.
void write_row_description(std::string& to, std::span<const std::string_view> columns);
/// A column that is not just text: the OID and the length of its type (pg_type.dat; -1: none).
struct TypedColumn {
  std::string_view name;
  std::uint32_t type = 25;
  std::int16_t size = -1;
  bool binary = false;  ///< how its values will come
};
void write_typed_row_description(std::string& to, std::span<const TypedColumn> columns);
/// Of a statement without parameters.
void write_no_parameters(std::string& to);
void write_portal_suspended(std::string& to);
void write_data_row(std::string& to, std::span<const std::optional<std::string_view>> values);

}  // namespace evergres::proxy
