#include "proxy/pool/turns.hpp"

#include <tuple>

namespace evergres::proxy {
namespace {

constexpr Millis rests{1000};
constexpr Millis first_turn{200};
constexpr Millis later_turn{1000};

std::optional<std::size_t> idle_giver(const Wanting& wanting, std::span<const Party> parties,
                                      Instant now) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    const Party& party = parties[i];
    if (party.idle <= party.owes) continue;
    if (party.held <= wanting.held && party.idle_since + rests > now) continue;
    if (!best || party.idle_since < parties[*best].idle_since) best = i;
  }
  return best;
}

}  // namespace

std::optional<std::size_t> choose_giver(const Wanting& wanting, std::span<const Party> parties,
                                        Instant now) {
  if (const auto idle = idle_giver(wanting, parties, now)) return idle;
  const Millis turn = wanting.held == 0 ? first_turn : later_turn;
  const auto rank = [](const Party& party) {
    return std::tuple{party.slow, !party.transactions, UINT32_MAX - (party.held - party.owes)};
  };
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    const Party& party = parties[i];
    const bool turn_is_over = wanting.since + turn <= now && party.got + turn <= now;
    const std::uint32_t least = wanting.held + (turn_is_over ? 1U : 2U);
    if (party.held < party.owes || party.held - party.owes < least) continue;
    if (!best || rank(party) < rank(parties[*best])) best = i;
  }
  return best;
}

}  // namespace evergres::proxy
