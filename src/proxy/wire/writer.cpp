#include "proxy/wire/writer.hpp"

#include "base/check.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {
namespace {

constexpr std::uint32_t cancel_code = (1234U << 16U) | 5678U;
constexpr std::uint32_t ssl_code = (1234U << 16U) | 5679U;
constexpr std::uint32_t text_type = 25;  // pg_type.dat: the OID of text

void append(std::string& to, std::uint32_t value, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) to += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
}

std::uint32_t auth(AuthKind kind) {
  return static_cast<std::uint32_t>(kind);
}

std::uint16_t counted(std::size_t entries) {
  CHECK(entries <= 65'535);
  return static_cast<std::uint16_t>(entries);
}

void write_fields(std::string& to, char type, std::string_view severity, std::string_view sqlstate,
                  std::string_view message, std::string_view detail, std::string_view hint) {
  Message out(to, type);
  out.byte('S').text(severity).byte('V').text(severity).byte('C').text(sqlstate);
  out.byte('M').text(message);
  if (!detail.empty()) out.byte('D').text(detail);
  if (!hint.empty()) out.byte('H').text(hint);
  out.byte('\0');
}

void write_bare(std::string& to, char type) {
  Message out(to, type);
}

}  // namespace

Message::Message(std::string& to, char type) : to_(to), length_at_(to.size()) {
  if (type != 0) {
    to_ += type;
    ++length_at_;
  }
  to_.append(4, '\0');
}

Message::~Message() {
  const std::size_t length = to_.size() - length_at_;
  CHECK(length <= large_message);
  for (unsigned i = 0; i < 4; ++i) {
    to_[length_at_ + i] = static_cast<char>((length >> (8 * (3 - i))) & 0xffU);
  }
}

Message& Message::byte(char value) {
  to_ += value;
  return *this;
}

Message& Message::u16(std::uint16_t value) {
  append(to_, value, 2);
  return *this;
}

Message& Message::u32(std::uint32_t value) {
  append(to_, value, 4);
  return *this;
}

Message& Message::text(std::string_view value) {
  to_ += value.substr(0, value.find('\0'));
  to_ += '\0';
  return *this;
}

Message& Message::bytes(std::string_view value) {
  to_ += value;
  return *this;
}

Message& Message::value(std::optional<std::string_view> value) {
  if (!value) return u32(0xffffffffU);
  CHECK(value->size() <= large_message);
  return u32(static_cast<std::uint32_t>(value->size())).bytes(*value);
}

void write_startup(std::string& to, const StartupMessage& startup) {
  Message out(to, 0);
  out.u32((std::uint32_t{startup.spoken.major} << 16U) | startup.spoken.minor);
  out.text("user").text(startup.user).text("database").text(startup.database);
  if (startup.replication == Replication::physical) out.text("replication").text("true");
  if (startup.replication == Replication::logical) out.text("replication").text("database");
  for (const auto& [name, value] : startup.settings) {
    if (!name.empty() && name.front() != '\0') out.text(name).text(value);
  }
  out.byte('\0');
}

void write_ssl_request(std::string& to) {
  Message(to, 0).u32(ssl_code);
}

void write_cancel(std::string& to, std::int32_t pid, std::string_view key) {
  Message(to, 0).u32(cancel_code).u32(static_cast<std::uint32_t>(pid)).bytes(key);
}

void write_sasl_initial(std::string& to, std::string_view mechanism, std::string_view data) {
  Message(to, 'p').text(mechanism).value(data);
}

void write_sasl_response(std::string& to, std::string_view data) {
  Message(to, 'p').bytes(data);
}

void write_query(std::string& to, std::string_view sql) {
  Message(to, 'Q').text(sql);
}

void write_parse(std::string& to, std::string_view statement, std::string_view sql,
                 std::string_view types) {
  CHECK(types.size() % 4 == 0);
  Message(to, 'P').text(statement).text(sql).u16(counted(types.size() / 4)).bytes(types);
}

void write_bind(std::string& to, std::string_view portal, std::string_view statement,
                std::span<const std::optional<std::string_view>> values) {
  Message out(to, 'B');
  out.text(portal).text(statement).u16(0).u16(counted(values.size()));
  for (const auto& value : values) out.value(value);
  out.u16(0);
}

void write_renamed_bind(std::string& to, const BindView& view, std::string_view statement,
                        std::uint32_t whole_body) {
  const std::size_t names = view.portal.size() + view.statement.size() + 2;
  CHECK(whole_body >= names + view.rest.size());
  const std::size_t length = 4 + whole_body - view.statement.size() + statement.size();
  to += 'B';
  append(to, static_cast<std::uint32_t>(length), 4);
  to.append(view.portal).append(1, '\0').append(statement).append(1, '\0').append(view.rest);
}

void write_describe(std::string& to, Target target, std::string_view name) {
  Message(to, 'D').byte(static_cast<char>(target)).text(name);
}

void write_close(std::string& to, Target target, std::string_view name) {
  Message(to, 'C').byte(static_cast<char>(target)).text(name);
}

void write_execute(std::string& to, std::string_view portal, std::int32_t rows) {
  Message(to, 'E').text(portal).u32(static_cast<std::uint32_t>(rows));
}

void write_sync(std::string& to) {
  write_bare(to, 'S');
}
void write_flush(std::string& to) {
  write_bare(to, 'H');
}
void write_copy_fail(std::string& to, std::string_view why) {
  Message(to, 'f').text(why);
}
void write_terminate(std::string& to) {
  write_bare(to, 'X');
}

void write_auth_ok(std::string& to) {
  Message(to, 'R').u32(auth(AuthKind::ok));
}

void write_auth_sasl(std::string& to, std::initializer_list<std::string_view> mechanisms) {
  Message out(to, 'R');
  out.u32(auth(AuthKind::sasl));
  for (const std::string_view mechanism : mechanisms) out.text(mechanism);
  out.byte('\0');
}

void write_auth_sasl_continue(std::string& to, std::string_view data) {
  Message(to, 'R').u32(auth(AuthKind::sasl_continue)).bytes(data);
}

void write_auth_sasl_final(std::string& to, std::string_view data) {
  Message(to, 'R').u32(auth(AuthKind::sasl_final)).bytes(data);
}

void write_negotiate(std::string& to, const StartupMessage& startup) {
  Message out(to, 'v');
  // The whole version, as PostgreSQL sends it (SendNegotiateProtocolVersion).
  out.u32((std::uint32_t{startup.spoken.major} << 16U) | startup.spoken.minor);
  out.u32(static_cast<std::uint32_t>(startup.unknown_options.size()));
  for (const std::string& option : startup.unknown_options) out.text(option);
}

void write_parameter(std::string& to, std::string_view name, std::string_view value) {
  Message(to, 'S').text(name).text(value);
}

void write_backend_key(std::string& to, std::int32_t pid, std::string_view key) {
  CHECK(key.size() >= cancel_key_least && key.size() <= cancel_key_most);
  Message(to, 'K').u32(static_cast<std::uint32_t>(pid)).bytes(key);
}

void write_ready(std::string& to, TransactionStatus status) {
  Message(to, 'Z').byte(static_cast<char>(status));
}

void write_error(std::string& to, Severity severity, std::string_view sqlstate,
                 const Error& error) {
  write_fields(to, 'E', severity == Severity::fatal ? "FATAL" : "ERROR", sqlstate, error.message(),
               error.detail(), error.hint());
}

void write_notice(std::string& to, std::string_view severity, std::string_view sqlstate,
                  std::string_view message, std::string_view detail) {
  write_fields(to, 'N', severity, sqlstate, message, detail, {});
}

void write_parse_complete(std::string& to) {
  write_bare(to, '1');
}
void write_bind_complete(std::string& to) {
  write_bare(to, '2');
}
void write_close_complete(std::string& to) {
  write_bare(to, '3');
}
void write_no_data(std::string& to) {
  write_bare(to, 'n');
}
void write_empty_query(std::string& to) {
  write_bare(to, 'I');
}

void write_command_complete(std::string& to, std::string_view tag) {
  Message(to, 'C').text(tag);
}

void write_row_description(std::string& to, std::span<const std::string_view> columns) {
  Message out(to, 'T');
  out.u16(counted(columns.size()));
  for (const std::string_view column : columns) {
    out.text(column).u32(0).u16(0).u32(text_type).u16(0xffff).u32(0xffffffffU).u16(0);
  }
}

void write_typed_row_description(std::string& to, std::span<const TypedColumn> columns) {
  Message out(to, 'T');
  out.u16(counted(columns.size()));
  for (const TypedColumn& column : columns) {
    out.text(column.name).u32(0).u16(0).u32(column.type);
    out.u16(static_cast<std::uint16_t>(column.size)).u32(0xffffffffU).u16(column.binary ? 1 : 0);
  }
}

void write_no_parameters(std::string& to) {
  Message(to, 't').u16(0);
}

void write_portal_suspended(std::string& to) {
  write_bare(to, 's');
}

void write_data_row(std::string& to, std::span<const std::optional<std::string_view>> values) {
  Message out(to, 'D');
  out.u16(counted(values.size()));
  for (const auto& value : values) out.value(value);
}

}  // namespace evergres::proxy
