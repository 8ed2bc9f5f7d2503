#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// Part of a transaction: an item put at the end of a list, or a list as it was read.
struct ListStep {
  bool append = false;
  std::string key;
  std::int64_t item = 0;           ///< of append; no item is used twice
  std::vector<std::int64_t> seen;  ///< of a read
};
constexpr auto fields(const ListStep*) {
  return std::tuple{Field{"append", &ListStep::append}, Field{"key", &ListStep::key},
                    Field{"item", &ListStep::item}, Field{"seen", &ListStep::seen}};
}

struct ListTransaction {
  std::vector<ListStep> steps;
  Told told = Told::unknown;
  Span span;
};
constexpr auto fields(const ListTransaction*) {
  return std::tuple{Field{"steps", &ListTransaction::steps}, Field{"told", &ListTransaction::told},
                    Field{"span", &ListTransaction::span}};
}

/// What a database promises: which cycles of dependencies it must not have.
enum class Isolation {
  read_committed,  ///< no G0, no G1
  snapshot,        ///< no G-single either
  serializable,    ///< none
};
constexpr auto words(const Isolation*) {
  return std::array{Word{"read_committed", Isolation::read_committed},
                    Word{"snapshot", Isolation::snapshot},
                    Word{"serializable", Isolation::serializable}};
}

/// The lists at the end, by key.
using Lists = std::map<std::string, std::vector<std::int64_t>>;

/// Lists tell their own history: each read shows the order of all writes before it (Elle's insight;
/// Kingsbury and Alvaro, VLDB 2020). Kinds: those of check_set(); forked (a read that is no
/// beginning of what the list became: two histories); internal (a transaction that does not see its
/// own writes); aborted (G1a: what had failed was read); intermediate (G1b: a read between two
/// appends of one transaction); G0, G1c, G-single, G2 for cycles of dependencies, by Adya's names;
/// and "stale" for cycles that are there only because an answer came before the next question was
/// asked (strict serializability; checked if `in_real_time`).
Anomalies check_lists(const std::vector<ListTransaction>& transactions, const Lists& last,
                      Isolation isolation, bool in_real_time = true);

}  // namespace evergres::checks
