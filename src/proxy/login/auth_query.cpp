#include "proxy/login/auth_query.hpp"

#include <array>

#include "proxy/login/shown.hpp"
#include "proxy/wire/backend.hpp"
#include "proxy/wire/reader.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

/// A secret has about 130 bytes; PostgreSQL 18 refuses longer ones than 512.
constexpr std::size_t row_most = 4096;
constexpr std::size_t answer_most = 256U << 10U;

constexpr std::string_view fix_search_path =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)";
/// Without a password there is nothing to hide behind CASE; a secret that may not be used is not
/// even sent. get_role_password() (libpq/crypt.c) has the same comparison.
constexpr std::string_view read_authid =
    "SELECT r.rolcanlogin, r.unexpired,"
    " CASE WHEN r.rolcanlogin AND r.unexpired THEN r.rolpassword END"
    " FROM (SELECT a.rolcanlogin, a.rolpassword,"
    " a.rolvaliduntil IS NULL OR a.rolvaliduntil OPERATOR(pg_catalog.>=) pg_catalog.now()"
    " AS unexpired FROM pg_catalog.pg_authid a WHERE a.rolname OPERATOR(pg_catalog.=) $1) r";
/// pg_type.dat: the OID of name, so that the parameter needs no cast.
constexpr std::string_view name_type("\0\0\0\x13", 4);

/// What answers ask(), without the rows of the second statement and what may come at any time.
constexpr std::string_view expected = "12DC12C";
constexpr std::size_t first_row = 2;
constexpr std::size_t second_end = 6;

AuthAnswer without(std::string why) {
  return AuthAnswer{std::nullopt, std::move(why)};
}

AuthAnswer judged(std::string_view may_log_in, std::string_view unexpired,
                  std::optional<std::string_view> password) {
  if (may_log_in != "t") return without("the role has no LOGIN attribute");
  if (unexpired != "t") return without("the password has expired (VALID UNTIL)");
  if (!password || password->empty()) return without("the role has no password");
  if (password->starts_with("md5")) return without("the role has an MD5 password");
  auto secret = read_secret(*password);
  if (!secret) return without("the role's secret is not one of SCRAM-SHA-256");
  return AuthAnswer{std::move(secret), {}};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> auth_query_settings() {
  return {{"application_name", "evergres auth_query"},
          {"search_path", "pg_catalog"},
          {"default_transaction_read_only", "on"},
          {"statement_timeout", "5000"},
          {"lock_timeout", "5000"}};
}

AuthQuery::~AuthQuery() {
  wipe(row_);
}

void AuthQuery::ask(std::string& to) const {
  write_parse(to, "", fix_search_path);
  write_bind(to, "", "", {});
  write_execute(to, "");
  const std::array<std::optional<std::string_view>, 1> values{user_};
  write_parse(to, "", read_authid, name_type);
  write_bind(to, "", "", values);
  write_execute(to, "");
  write_sync(to);
}

AuthFailed AuthQuery::violation(std::string detail) {
  over_ = true;
  return AuthFailed{"08P01",
                    Error(ErrorCode::data_invalid, "the server does not keep to the protocol",
                          std::move(detail), "Look at the address, and at who listens there."),
                    true};
}

AuthStep AuthQuery::feed(std::string_view& arrived) {
  while (!over_) {
    const Frame frame = walker_.next(arrived);
    if (frame.kind == FrameKind::more) break;
    if (frame.kind == FrameKind::violation) {
      return violation("Its answer cannot be read: " + std::string(frame.why) + ".");
    }
    taken_ += frame.bytes.size();
    if (taken_ > answer_most) return violation("Its answer has more than 256 KiB.");
    if (auto step = take(frame)) return std::move(*step);
  }
  return AuthLacks{};
}

std::optional<AuthStep> AuthQuery::take(const Frame& frame) {
  if (frame.type == 'N' || frame.type == 'S' || frame.type == 'A') return std::nullopt;
  if (frame.type == 'E') {
    if (!frame.first || failed_) return std::nullopt;
    const FieldsView fields = read_fields(frame.payload());
    const bool fatal = fields.fatal();
    std::string message = shown(fields.message, 500);
    failed_ = AuthFailed{
        fields.code.empty() ? "XX000" : shown(fields.code, 5),
        Error(fields.code == "42501" ? ErrorCode::permission : ErrorCode::postgres_failed,
              message.empty() ? "the server refused the question" : std::move(message),
              shown(fields.detail, 500),
              fields.code == "42501" ? std::string(auth_query_grant) + "…" : std::string()),
        fatal};
    if (!fatal) return std::nullopt;
    over_ = true;
    return std::move(*failed_);
  }
  if (frame.type == 'Z') return finished();
  if (failed_) return violation("Something else than ReadyForQuery follows its error.");
  if (frame.type == 'D') {
    if (done_ != first_row && done_ != second_end) return violation("A row comes out of turn.");
    if (frame.body > row_most) return violation("A row has more than 4,096 bytes.");
    row_ += frame.payload();
    if (!frame.last) return std::nullopt;
    if (!take_row()) return violation("A row has other columns than were asked for.");
    wipe(row_);
    return std::nullopt;
  }
  if (done_ == expected.size() || frame.type != expected[done_]) {
    return violation("A message comes out of turn.");
  }
  ++done_;
  return std::nullopt;
}

bool AuthQuery::take_row() {
  if (done_ == first_row) {
    ++done_;
    return true;
  }
  Reader reader(row_);
  std::array<std::optional<std::string_view>, 3> values;
  if (answer_ || reader.u16() != values.size()) return false;
  for (auto& value : values) {
    const std::int32_t length = reader.i32();
    if (length < -1) return false;
    if (length >= 0) value = reader.take(static_cast<std::size_t>(length));
  }
  if (!reader.done() || !values[0] || !values[1]) return false;
  answer_ = judged(*values[0], *values[1], values[2]);
  return true;
}

std::optional<AuthStep> AuthQuery::finished() {
  over_ = true;
  if (failed_) {
    // Bytes that are no text in the server's encoding are nobody's name.
    if (failed_->sqlstate == "22021") return without("the role does not exist");
    return std::move(*failed_);
  }
  if (done_ != expected.size()) return violation("Its answer ends too early.");
  if (answer_) return std::move(*answer_);
  return without("the role does not exist");
}

}  // namespace evergres::proxy
