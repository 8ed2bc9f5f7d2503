#include "explore/walk.hpp"

namespace evergres::explore {

// A world with more faults holds those with fewer; where it is too large to be seen whole, a small
// one that is seen whole stands beside it.
const std::vector<Plan>& plans() {
  static const std::vector<Plan> all{
      {.name = "pair-server", .nodes = 2, .faults = {.servers = 1, .writes = 1}},
      {.name = "pair-cut", .nodes = 2, .faults = {.cuts = 1, .writes = 1}},
      {.name = "pair-machines", .nodes = 2, .faults = {.machines = 2, .writes = 1, .unflushed = 1}},
      {.name = "pair-agents", .nodes = 2, .faults = {.agents = 1, .cuts = 1, .replies = 1}},
      {.name = "pair-late", .nodes = 2, .faults = {.servers = 1, .doubts = 1, .letters = 1}},
      {.name = "pair-handover", .nodes = 2, .faults = {.servers = 1, .wishes = 1, .failures = 1}},
      {.name = "three-server", .faults = {.servers = 1, .writes = 1}},
      {.name = "three-cut", .faults = {.cuts = 1, .writes = 1}},
      {.name = "three-desert", .faults = {.deserts = 1, .writes = 1}},
      {.name = "three-doubts", .faults = {.doubts = 2, .writes = 1}},
      {.name = "three-machines", .faults = {.machines = 2, .unflushed = 1}},
      {.name = "three-late", .faults = {.servers = 1, .doubts = 1, .letters = 1}},
      {.name = "three-all",
       .faults = {.servers = 2,
                  .agents = 1,
                  .machines = 1,
                  .cuts = 1,
                  .doubts = 1,
                  .replies = 1,
                  .letters = 1,
                  .writes = 2,
                  .wishes = 1,
                  .failures = 1,
                  .unflushed = 1}},
  };
  return all;
}

}  // namespace evergres::explore
