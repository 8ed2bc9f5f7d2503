#include "sim/oracle.hpp"

#include "sim/world.hpp"

namespace evergres::sim {

std::optional<Catch> hunt(Bug bug, std::uint64_t first, std::uint64_t most) {
  for (std::uint64_t done = 0; done < most; ++done) {
    World world(Choices::of_seed(first + done), Planted{bug});
    const Verdict verdict = world.run();
    if (!verdict.violation.empty()) return Catch{done + 1, verdict.violation};
  }
  return std::nullopt;
}

}  // namespace evergres::sim
