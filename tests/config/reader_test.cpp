#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/printer.hpp"
#include "config/reader.hpp"
#include "config/spelling.hpp"
#include "config/values.hpp"

namespace evergres::config {
namespace {

namespace fs = std::filesystem;

const fs::path corpus = fs::path(EVERGRES_SOURCE_DIR) / "tests/config";

std::string content_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> cases(const char* folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(corpus / folder)) {
    if (entry.path().extension() == ".yaml") found.push_back(entry.path());
  }
  return found;
}

/// The corpus is read as if it were /etc/evergres/node.yaml, so that relative paths are the same on
/// every machine.
Reading parse_case(const fs::path& path) {
  return parse_node_file(content_of(path), "/etc/evergres/node.yaml");
}

// A new case is a new file: NAME.yaml and beside it NAME.expected. EVERGRES_REWRITE_GOLDEN=1 writes
// the expected files anew, to be reviewed as a diff.
void compare(const fs::path& path, const std::string& actual) {
  fs::path expected = path;
  expected.replace_extension(".expected");
  if (std::getenv("EVERGRES_REWRITE_GOLDEN") != nullptr) std::ofstream(expected) << actual;
  ASSERT_TRUE(fs::exists(expected)) << expected << " is missing";
  EXPECT_EQ(content_of(expected), actual) << path;
}

TEST(NodeFile, InvalidFilesGiveAllTheirDiagnostics) {
  ASSERT_GE(cases("invalid").size(), 8U);
  for (const fs::path& path : cases("invalid")) {
    const Reading reading = parse_case(path);
    EXPECT_FALSE(reading.diagnostics.empty()) << path;
    std::string lines;
    for (const Diagnostic& diagnostic : reading.diagnostics) lines += one_line(diagnostic) + "\n";
    compare(path, lines);
  }
}

TEST(NodeFile, ValidFilesGiveTheirSettings) {
  ASSERT_GE(cases("valid").size(), 2U);
  for (const fs::path& path : cases("valid")) {
    const Reading reading = parse_case(path);
    for (const Diagnostic& diagnostic : reading.diagnostics) ADD_FAILURE() << one_line(diagnostic);
    compare(path, node_file_text(reading.settings));
  }
}

TEST(NodeFile, ThePrintedSettingsReadBack) {
  for (const fs::path& path : cases("valid")) {
    const std::string once = node_file_text(parse_case(path).settings);
    const Reading again = parse_node_file(once, "/elsewhere/node.yaml");
    EXPECT_TRUE(again.diagnostics.empty());
    EXPECT_EQ(once, node_file_text(again.settings));
  }
}

TEST(NodeFile, TheSampleIsValidAlsoWithEveryLineInForce) {
  EXPECT_TRUE(parse_node_file(sample_file(), "/etc/evergres/node.yaml").diagnostics.empty());
  std::istringstream lines(sample_file());
  std::string everything;
  for (std::string line; std::getline(lines, line);) {
    const bool is_comment = line.starts_with("# ") && !line.starts_with("#  ");
    if (line.starts_with('#') && !is_comment) line.erase(0, 1);
    everything += line + "\n";
  }
  const Reading reading = parse_node_file(everything, "/etc/evergres/node.yaml");
  for (const Diagnostic& diagnostic : reading.diagnostics) ADD_FAILURE() << one_line(diagnostic);
  EXPECT_EQ(reading.settings.application.at("password_file"), "/etc/evergres/app.password");
  EXPECT_EQ(reading.settings.parameters.at("max_connections"), "200");
}

/// `evergres print options > docs/reference/node-options.md` after a change.
TEST(NodeFile, ThePageIsTheReference) {
  EXPECT_EQ(content_of(fs::path(EVERGRES_SOURCE_DIR) / "docs/reference/node-options.md"),
            options_reference());
}

TEST(NodeFile, OneErrorListsEverything) {
  const std::vector<Diagnostic> two{
      {"node.yaml", 7, "unknown option \"suspect_afetr\"", "did you mean \"suspect_after\"?"},
      {"node.yaml", 0, "option \"store\" is missing", ""}};
  const Error error = config_error(two);
  EXPECT_EQ(error.code(), ErrorCode::config_invalid);
  EXPECT_EQ(error.message(), "node.yaml has 2 problems");
  EXPECT_EQ(error.detail(),
            "\n  node.yaml:7: unknown option \"suspect_afetr\"; did you mean \"suspect_after\"?"
            "\n  node.yaml: option \"store\" is missing");
}

TEST(NodeFile, AbsentFileIsNotFound) {
  const auto settings = read_node_file("/nonexistent/node.yaml");
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.error().code(), ErrorCode::not_found);
}

TEST(Spelling, CountsSwapsAsOne) {
  EXPECT_EQ(edit_distance("suspect_afetr", "suspect_after"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(nearest("swichover", {"failover", "switchover"}), "switchover");
  EXPECT_EQ(nearest("zebra", {"failover", "switchover"}), std::nullopt);
}

TEST(Values, Durations) {
  EXPECT_EQ(parse_duration("1200ms"), Millis{1200});
  EXPECT_EQ(parse_duration("3s"), Millis{3000});
  EXPECT_EQ(parse_duration("5 min"), Millis{300'000});
  for (const char* text :
       {"", "3", "s", "-3s", "3.5s", "99999999999999999999s", "3ss", "9223372036854775807d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
  for (const Millis span : {Millis{0}, Millis{1200}, Millis{3000}, Millis{300'000}}) {
    EXPECT_EQ(parse_duration(duration_text(span)), span);
  }
}

TEST(Values, Hosts) {
  for (const char* host : {"127.0.0.1", "db-1.example.org", "::1", "fe80::1"}) {
    EXPECT_TRUE(is_host(host)) << host;
  }
  for (const char* host : {"", "a b", "host:5432", "-x", "[::1]", "a/b", "a'b"}) {
    EXPECT_FALSE(is_host(host)) << host;
  }
}

}  // namespace
}  // namespace evergres::config
