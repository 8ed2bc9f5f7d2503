#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

/// Every reason that a rule can give is in a golden case: the sentences of src/core/rules are
/// looked for in decisions.golden.
namespace evergres::core {
namespace {

namespace fs = std::filesystem;

const fs::path source = EVERGRES_SOURCE_DIR;

/// What a rule writes into the record and does not answer as its reason; the tests of transitions
/// and elections have these.
const std::set<std::string> in_the_record{
    " was promoted by hand after it was chosen", " could not be promoted",
    " was cut off from the other nodes", " has lost its data directory", "this node never leads"};

std::string content_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// The string literals of a source, those that stand side by side as one.
std::vector<std::string> literals_of(const std::string& text) {
  static const std::regex comments("//[^\n]*|#include[^\n]*");
  static const std::regex literal(R"re("((?:[^"\\]|\\.)*)"(\s*"(?:[^"\\]|\\.)*")*)re");
  static const std::regex seam(R"re("\s*")re");
  const std::string code = std::regex_replace(text, comments, "");
  std::vector<std::string> all;
  for (std::sregex_iterator each(code.begin(), code.end(), literal), end; each != end; ++each) {
    const std::string joined = std::regex_replace(each->str(), seam, "");
    if (joined.size() > 2) all.push_back(joined.substr(1, joined.size() - 2));
  }
  return all;
}

bool is_sentence(const std::string& text) {
  const auto letters = std::ranges::count_if(text, [](unsigned char c) { return std::islower(c); });
  return letters >= 8 && text.find(' ', 1) < text.size() - 1;
}

TEST(Reasons, EachIsInAGoldenCase) {
  const std::string golden = content_of(source / "tests/core/decisions.golden");
  std::size_t found = 0;
  for (const auto& file : fs::directory_iterator(source / "src/core/rules")) {
    if (file.path().extension() != ".cpp") continue;
    for (const std::string& reason : literals_of(content_of(file.path()))) {
      if (!is_sentence(reason) || in_the_record.contains(reason)) continue;
      EXPECT_NE(golden.find(reason), std::string::npos)
          << file.path().filename() << ": no case gives the reason \"" << reason << "\"";
      ++found;
    }
  }
  EXPECT_GT(found, 100U);
}

}  // namespace
}  // namespace evergres::core
