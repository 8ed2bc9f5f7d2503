#pragma once

#include <functional>

#include "worlds.hpp"

/// A situation with its name, for decisions_test.cpp.
namespace evergres::core::worlds {

struct Case {
  std::string name;
  Situation situation;
};

inline Situation with(Situation s, const std::function<void(Situation&)>& change) {
  change(s);
  return s;
}

}  // namespace evergres::core::worlds
