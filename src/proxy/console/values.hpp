#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/console/tables.hpp"
#include "proxy/wire/writer.hpp"

/// A table's columns and values as the protocol has them.
namespace evergres::proxy {

/// `binary`: by column; shorter or empty: text.
std::vector<TypedColumn> typed_columns(std::span<const Column> columns,
                                       const std::vector<bool>& binary);

/// A value of a table in PostgreSQL's binary format (the type's send function). Numbers are whole
/// and not negative.
std::string binary_value(ColumnType type, std::string_view text);

/// One DataRow.
std::string data_row(std::span<const Column> columns, const TableRow& row,
                     const std::vector<bool>& binary);

}  // namespace evergres::proxy
