#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "proxy/dice.hpp"
#include "proxy/fuzz/parsers.hpp"

/// Every parser on its corpus, on each beginning of each file, and on mutations of them: always the
/// same ones, so that a failure is seen again. `ninja fuzz_NAME` with clang searches further; what
/// it finds becomes a file of the corpus.
namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(EVERGRES_SOURCE_DIR) / "tests/proxy";
constexpr int mutations = 20'000;

using Parser = void (*)(std::string_view);

const std::map<std::string, Parser>& parsers() {
  static const std::map<std::string, Parser> all{
      {"frontend", fuzz::frontend},
      {"backend", fuzz::backend},
      {"startup", fuzz::startup},
      {"scram_server", fuzz::scram_server},
      {"scram_client", fuzz::scram_client},
      {"secret", fuzz::secret},
      {"auth_file", fuzz::auth_file},
      {"hba", fuzz::hba},
      {"ident_map", fuzz::ident_map},
      {"server_login", fuzz::server_login},
      {"client_login", fuzz::client_login},
      {"auth_query", fuzz::auth_query},
      {"cancel_key", fuzz::cancel_key},
      {"sql", fuzz::sql},
      {"console", fuzz::console},
      {"console_session", fuzz::console_session},
      {"route_word", fuzz::route_word},
  };
  return all;
}

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> corpus(const std::string& parser) {
  std::map<std::string, std::string> sorted;
  for (const auto& entry : fs::directory_iterator(folder / "corpus" / parser)) {
    sorted[entry.path().filename()] = content_of(entry.path());
  }
  std::vector<std::string> seeds;
  for (auto& [name, bytes] : sorted) seeds.push_back(std::move(bytes));
  return seeds;
}

/// Bytes and numbers at which parsers stumble.
std::string evil(Dice& dice) {
  static const std::vector<std::string> words{std::string(1, '\0'),
                                              "\xff",
                                              "\x7f\xff\xff\xff",
                                              "\xff\xff\xff\xff",
                                              std::string("\0\0\0\4", 4),
                                              "\x80\0\0\0",
                                              std::string("\0\0\0\0", 4),
                                              ",",
                                              "=",
                                              "\"",
                                              "\n",
                                              "\\",
                                              "#",
                                              std::string(300, 'a'),
                                              "\xc3\xa9"};
  return words[dice.below(words.size())];
}

std::string mutated(std::string bytes, const std::vector<std::string>& seeds, Dice& dice) {
  for (std::size_t round = dice.below(4) + 1; round > 0; --round) {
    const std::size_t at = dice.below(bytes.size() + 1);
    switch (dice.below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(dice.below(256));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
        break;
      case 2: bytes.insert(at, evil(dice)); break;
      case 3: {
        const std::string word = evil(dice);
        bytes.replace(at, std::min(word.size(), bytes.size() - at), word);
        break;
      }
      case 4: bytes.erase(at, dice.below(16)); break;
      case 5: bytes.resize(at); break;
      default: {
        const std::string& other = seeds[dice.below(seeds.size())];
        bytes = bytes.substr(0, at) + other.substr(dice.below(other.size() + 1));
        break;
      }
    }
  }
  return bytes;
}

TEST(Replay, TheListOfParsersIsThatOfTheBuild) {
  std::set<std::string> built;
  std::istringstream lines(content_of(folder / "fuzz/parsers.txt"));
  for (std::string line; std::getline(lines, line);) built.insert(line);
  std::set<std::string> tested;
  for (const auto& [name, parser] : parsers()) tested.insert(name);
  EXPECT_EQ(built, tested);
}

class ReplayTest : public testing::TestWithParam<std::string> {};

TEST_P(ReplayTest, SurvivesItsCorpusAndEachBeginningOfIt) {
  const Parser parse = parsers().at(GetParam());
  const std::vector<std::string> seeds = corpus(GetParam());
  ASSERT_GE(seeds.size(), 4U);
  for (const std::string& seed : seeds) {
    parse(seed);
    for (std::size_t size = 0; size < std::min<std::size_t>(seed.size(), 600); ++size) {
      parse(std::string(seed.substr(0, size)));
    }
  }
}

TEST_P(ReplayTest, SurvivesMutations) {
  const Parser parse = parsers().at(GetParam());
  const std::vector<std::string> seeds = corpus(GetParam());
  ASSERT_FALSE(seeds.empty());
  Dice dice(20'261'121);
  for (int i = 0; i < mutations; ++i) {
    parse(mutated(seeds[dice.below(seeds.size())], seeds, dice));
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, parser] : parsers()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Parsers, ReplayTest, testing::ValuesIn(names()),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace evergres::proxy
