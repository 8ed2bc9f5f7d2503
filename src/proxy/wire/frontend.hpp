#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/wire/reader.hpp"

/// What a pooler reads of a client's messages. Each function takes the body of a message, or the
/// head of one that does not come whole, and answers nothing if that cannot be such a message: then
/// the client gets 08P01 and the connection ends. Views point into the body. Everything that is
/// not read here is PostgreSQL's to judge.
namespace evergres::proxy {

/// 'P'.
struct ParseView {
  std::string_view statement;  ///< "" is the unnamed one
  std::string_view sql;
  std::string_view types;  ///< 4 bytes each, big-endian OIDs, as they came: compared, never used

  [[nodiscard]] std::size_t type_count() const { return types.size() / 4; }
};
std::optional<ParseView> read_parse(std::string_view body);
/// Only the statement's name, of a head.
std::optional<std::string_view> read_parse_name(std::string_view head);

/// 'B'; of a head as well. `rest`: formats, values and result formats as they came.
struct BindView {
  std::string_view portal;
  std::string_view statement;
  std::string_view rest;
};
std::optional<BindView> read_bind(std::string_view head);

enum class Target : char { statement = 'S', portal = 'P' };
/// 'D' and 'C'.
struct TargetView {
  Target target = Target::statement;
  std::string_view name;
};
std::optional<TargetView> read_target(std::string_view body);

/// 'E'.
struct ExecuteView {
  std::string_view portal;
  std::int32_t rows = 0;  ///< 0: all of them (PostgreSQL takes a negative number for 0)
};
std::optional<ExecuteView> read_execute(std::string_view body);

/// 'Q'.
std::optional<std::string_view> read_query(std::string_view body);

/// 'f'.
std::optional<std::string_view> read_copy_fail(std::string_view body);

/// 'p' as the answer to a request for a SASL mechanism.
struct SaslInitialView {
  std::string_view mechanism;
  std::optional<std::string_view> data;
};
std::optional<SaslInitialView> read_sasl_initial(std::string_view body);

/// 'p' as the answer to a request for a password.
std::optional<std::string_view> read_password(std::string_view body);

}  // namespace evergres::proxy
