#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "sim/story.hpp"

/// The simulator behind libFuzzer's door (tests/fuzz/entry.cpp): bytes are the choices of a
/// world, or the text of a story.
namespace evergres::sim::fuzz {

/// Whatever is chosen, every invariant holds.
inline void world(std::string_view bytes) {
  const std::vector<std::uint8_t> data(bytes.begin(), bytes.end());
  World world(Choices::of_bytes(data), {}, 200);
  const Verdict verdict = world.run();
  if (verdict.violation.empty()) return;
  for (const std::string& line : verdict.trace) std::fprintf(stderr, "%s\n", line.c_str());
  std::fprintf(stderr, "%s\n", verdict.violation.c_str());
  std::abort();
}

/// What is read is written so that it is read again as the same.
inline void story(std::string_view bytes) {
  const auto read = read_story(std::string(bytes), "fuzz");
  if (!read) return;
  const std::string written = text_of(*read);
  const auto again = read_story(written, "fuzz");
  CHECK(again);
  CHECK(text_of(*again) == written);
}

}  // namespace evergres::sim::fuzz
