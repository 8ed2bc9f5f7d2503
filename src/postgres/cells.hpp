#pragma once

#include <charconv>
#include <optional>
#include <string>

#include "base/lsn.hpp"
#include "postgres/session.hpp"

/// Cells of a result as values. A cell that is NULL or not what it should be is nothing.
namespace evergres::postgres {

template <typename Number>
std::optional<Number> number_of(const Cell& cell) {
  if (!cell) return std::nullopt;
  Number value{};
  const auto [end, error] = std::from_chars(cell->data(), cell->data() + cell->size(), value);
  if (error != std::errc{} || end != cell->data() + cell->size()) return std::nullopt;
  return value;
}

inline std::optional<Lsn> lsn_of(const Cell& cell) {
  return cell ? Lsn::parse(*cell) : std::nullopt;
}

inline bool is_true(const Cell& cell) {
  return cell && *cell == "t";
}

}  // namespace evergres::postgres
