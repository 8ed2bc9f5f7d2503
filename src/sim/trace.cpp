#include "sim/trace.hpp"

#include <cstdio>

namespace evergres::sim {

void Trace::say(std::string_view who, std::string_view what) {
  const auto mix = [this](std::string_view text) {
    for (const char c : text) {
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 0x100000001B3ULL;
    }
  };
  const auto nanos = static_cast<std::uint64_t>(events_.now().nanos);
  for (unsigned shift = 0; shift < 64; shift += 8) {
    hash_ ^= nanos >> shift & 0xFFU;
    hash_ *= 0x100000001B3ULL;
  }
  mix(who);
  mix(what);
  ++lines_;
  if (most_ == 0) return;
  char when[32];
  std::snprintf(when, sizeof when, "%12.6f ", static_cast<double>(nanos) / 1e9);
  kept_.push_back(std::string(when) + std::string(who) + " " + std::string(what));
  if (kept_.size() > most_) kept_.pop_front();
}

}  // namespace evergres::sim
