#include "proxy/console/values.hpp"

#include <charconv>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

struct WireType {
  std::uint32_t oid;
  std::int16_t size;
};

/// pg_type.dat
WireType wire_type(ColumnType type) {
  switch (type) {
    case ColumnType::text: return {25, -1};
    case ColumnType::int4: return {23, 4};
    case ColumnType::int8: return {20, 8};
    case ColumnType::numeric: return {1700, -1};
    case ColumnType::bytea: return {17, -1};
  }
  CHECK(false);
}

void append(std::string& to, std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) to += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
}

/// numeric_send: number of digits to the base of 10,000, weight of the first, sign, scale, digits.
std::string numeric_value(std::uint64_t value) {
  std::vector<std::uint64_t> digits;
  for (; value > 0; value /= 10'000) digits.insert(digits.begin(), value % 10'000);
  const std::size_t weight = digits.empty() ? 0 : digits.size() - 1;
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
  std::string bytes;
  append(bytes, digits.size(), 2);
  append(bytes, weight, 2);
  append(bytes, 0, 2);
  append(bytes, 0, 2);
  for (const std::uint64_t digit : digits) append(bytes, digit, 2);
  return bytes;
}

bool is_binary(const std::vector<bool>& binary, std::size_t column) {
  return column < binary.size() && binary[column];
}

}  // namespace

std::vector<TypedColumn> typed_columns(std::span<const Column> columns,
                                       const std::vector<bool>& binary) {
  std::vector<TypedColumn> typed;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const WireType type = wire_type(columns[i].type);
    typed.push_back(TypedColumn{columns[i].name, type.oid, type.size, is_binary(binary, i)});
  }
  return typed;
}

std::string binary_value(ColumnType type, std::string_view text) {
  if (type == ColumnType::text || type == ColumnType::bytea) return std::string(text);
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  CHECK(error == std::errc() && at == end);
  if (type == ColumnType::numeric) return numeric_value(value);
  std::string bytes;
  append(bytes, value, type == ColumnType::int4 ? 4 : 8);
  return bytes;
}

std::string data_row(std::span<const Column> columns, const TableRow& row,
                     const std::vector<bool>& binary) {
  CHECK(row.size() == columns.size());
  std::vector<std::string> converted(row.size());
  std::vector<std::optional<std::string_view>> values;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] && is_binary(binary, i)) {
      converted[i] = binary_value(columns[i].type, *row[i]);
      values.emplace_back(converted[i]);
    } else if (row[i]) {
      values.emplace_back(*row[i]);
    } else {
      values.emplace_back(std::nullopt);
    }
  }
  std::string message;
  write_data_row(message, values);
  return message;
}

}  // namespace evergres::proxy
