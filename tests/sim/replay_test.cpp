#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "sim/fuzz/parsers.hpp"

/// The simulator's fuzz targets on their corpora: `ninja fuzz_world fuzz_story` with clang searches
/// further; what it finds becomes a file of the corpus.
namespace evergres::sim {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> corpus(const std::string& parser) {
  std::map<std::string, std::string> files;
  const fs::path folder = fs::path(EVERGRES_SOURCE_DIR) / "tests/sim/corpus" / parser;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

TEST(Replay, WorldsOfBytesKeepEveryInvariant) {
  const auto files = corpus("world");
  ASSERT_GE(files.size(), 4U);
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    fuzz::world(bytes);
  }
}

TEST(Replay, StoriesSurviveEachBeginningAndMutations) {
  const auto files = corpus("story");
  ASSERT_GE(files.size(), 4U);
  Choices dice = Choices::of_seed(20'261'122);
  for (const auto& [name, text] : files) {
    SCOPED_TRACE(name);
    EXPECT_EQ(name == "wrong", !read_story(text, name));
    for (std::size_t size = 0; size <= text.size(); ++size) fuzz::story(text.substr(0, size));
    for (int i = 0; i < 3000; ++i) {
      std::string mutated = text;
      for (std::uint32_t changes = dice.below(4) + 1; changes > 0; --changes) {
        const auto at = dice.below(static_cast<std::uint32_t>(mutated.size()));
        if (dice.chance(500)) {
          mutated[at] = static_cast<char>(dice.below(256));
        } else {
          const std::string part = text.substr(dice.below(static_cast<std::uint32_t>(text.size())));
          mutated.replace(at, dice.below(12), part.substr(0, dice.below(12)));
        }
      }
      fuzz::story(mutated);
    }
  }
}

}  // namespace
}  // namespace evergres::sim
