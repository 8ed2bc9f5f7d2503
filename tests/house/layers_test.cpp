#include <gtest/gtest.h>

#include "house/rules.hpp"

/// Every rule is tried twice: on the real tree, where it must find nothing, and on a planted
/// violation, which it must find with the right sentence.
namespace evergres::house {
namespace {

const std::filesystem::path root{EVERGRES_SOURCE_DIR};

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string sentences(const Findings& findings) {
  std::string text;
  for (const auto& finding : findings) text += "\n  " + finding;
  return text;
}

void expect_none(const Findings& findings) {
  EXPECT_TRUE(findings.empty()) << sentences(findings);
}

void expect_one(const Findings& findings, const std::string& sentence) {
  ASSERT_EQ(findings.size(), 1U) << sentences(findings);
  EXPECT_EQ(findings[0], sentence);
}

std::vector<SourceFile> src() {
  return load_tree(root / "src", {".hpp", ".cpp"});
}
Layers layers() {
  return parse_layers(read(root / "tests/house/layers.txt"));
}
Exceptions exceptions() {
  return parse_exceptions(read(root / "tests/house/exceptions.txt"));
}

std::vector<SourceFile> code_of_the_house() {
  std::vector<SourceFile> files;
  for (const std::string folder : {"src", "tests"}) {
    for (auto& source : load_tree(root / folder, {".hpp", ".cpp"})) {
      if (source.path.starts_with("house/")) continue;
      source.path = folder + "/" + source.path;
      files.push_back(std::move(source));
    }
  }
  return files;
}

std::vector<SourceFile> pages() {
  std::vector<SourceFile> files;
  for (auto& page : load_tree(root / "docs", {".md"})) {
    page.path = "docs/" + page.path;
    files.push_back(std::move(page));
  }
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() != ".md") continue;
    files.push_back(file(entry.path().filename().string(), read(entry.path())));
  }
  return files;
}

TEST(House, SiblingsDoNotIncludeEachOther) {
  expect_none(check_layers(src(), layers()));
}

TEST(House, CoreIsPure) {
  expect_none(check_core_is_pure(src()));
}

TEST(House, BannedCallsAndShapeAndTheirExceptions) {
  const auto allowed = exceptions();
  expect_none(check_banned(src(), allowed));
  expect_none(check_shape(code_of_the_house(), allowed));
  expect_none(check_exceptions_used(allowed));
}

TEST(House, LinksLive) {
  expect_none(dead_links(pages(), root));
}

TEST(House, EveryFolderIsDescribed) {
  std::set<std::string> folders;
  for (const auto& source : src()) folders.insert(folder_of(source.path));
  ASSERT_TRUE(folders.contains("base"));
  expect_none(check_described(folders, read(root / "docs/ARCHITECTURE.md")));
}

TEST(Planted, AForbiddenInclude) {
  const auto bad = file("proxy/pool.cpp", "#include <vector>\n#include \"agent/performer.hpp\"\n");
  expect_one(
      check_layers({bad}, parse_layers("proxy: base config net core cluster\n")),
      "proxy/pool.cpp includes agent/performer.hpp; proxy may include base, cluster, config, "
      "core, net. Move the shared type down or pass it in from app.");
}

TEST(Planted, TheRealTableForbidsSiblings) {
  for (const auto& [from, header] : std::vector<std::pair<std::string, std::string>>{
           {"core/decide.cpp", "cluster/status.hpp"},
           {"postgres/server.cpp", "cluster/status.hpp"},
           {"supervisor/keeper.cpp", "agent/loop.hpp"},
           {"agent/loop.cpp", "supervisor/keeper.hpp"},
           {"cli/list.cpp", "app/main.hpp"},
           {"base/error.cpp", "core/record.hpp"}}) {
    const auto bad = file(from, "#include \"" + header + "\"\n");
    EXPECT_EQ(check_layers({bad}, layers()).size(), 1U) << from << " -> " << header;
  }
  const auto good = file("agent/loop.cpp", "#include \"supervisor/protocol.hpp\"\n");
  expect_none(check_layers({good}, layers()));
}

TEST(Planted, AFolderNobodyKnows) {
  EXPECT_EQ(check_layers({file("misc/x.hpp", "int a;\n")}, layers()).size(), 1U);
}

TEST(Planted, AnIncludeWithoutItsFolder) {
  expect_one(check_layers({file("core/a.cpp", "#include \"b.hpp\"\n")}, layers()),
             "core/a.cpp includes \"b.hpp\" without its folder. Write \"core/b.hpp\".");
}

TEST(Planted, CoreReadsAFileOrAThread) {
  for (const std::string header :
       {"boost/json.hpp", "thread", "unistd.h", "sys/stat.h", "fstream"}) {
    const auto bad = file("core/decide.cpp", "#include <" + header + ">\n");
    EXPECT_EQ(check_core_is_pure({bad}).size(), 1U) << header;
  }
  expect_none(check_core_is_pure({file("core/decide.cpp", "#include <vector>\n")}));
  expect_none(check_core_is_pure({file("net/http.cpp", "#include <thread>\n")}));
}

TEST(Planted, EachBannedCall) {
  const std::vector<std::pair<std::string, std::string>> calls{
      {"detached", "co_spawn(executor, run(), asio::detached);"},
      {"detach", "worker.detach();"},
      {"awaitable_operators", "#include <boost/asio/experimental/awaitable_operators.hpp>"},
      {"system", "std::system(command);"},
      {"popen", "auto* pipe = popen(command, mode);"},
      {"sleep_for", "std::this_thread::sleep_for(pause);"},
      {"rand", "int n = rand();"},
      {"clock::now", "auto t = std::chrono::steady_clock::now();"},
      {"stdio", "std::fopen(path, mode);"},
      {"strcpy", "strcpy(to, from);"},
      {"secret==", "if (proven.client_key.view() != other) return false;"}};
  std::set<std::string> words;
  for (const auto& [word, code] : calls) {
    const auto findings = check_banned({file("core/x.cpp", code + "\n")}, {});
    ASSERT_EQ(findings.size(), 1U) << code << sentences(findings);
    EXPECT_TRUE(findings[0].starts_with("core/x.cpp:1 uses " + word + ". ")) << findings[0];
    words.insert(word);
  }
  for (const auto& ban : bans()) EXPECT_TRUE(words.contains(ban.word)) << ban.word;
}

TEST(Planted, BannedWordsInProseAreFine) {
  expect_none(check_banned({file("net/x.cpp",
                                 "// never rand(), never asio::detached\n"
                                 "const char* text = \"system(\";\n"
                                 "boost::system::error_code code;\n"
                                 "auto t = std::chrono::steady_clock::now();\n")},
                           {}));
}

TEST(Planted, AnExceptionAllowsAndMustBeNeeded) {
  const auto bad = file("net/x.cpp", "usleep(5);\n");
  const auto allowed = parse_exceptions("sleep_for net/x.cpp: waits for a device\n");
  EXPECT_EQ(check_exceptions_used(allowed).size(), 1U);
  expect_none(check_banned({bad}, allowed));
  expect_none(check_exceptions_used(allowed));
  EXPECT_EQ(check_banned({bad}, {}).size(), 1U);
}

TEST(Planted, ShapesOfFiles) {
  std::string lines;
  for (int i = 0; i < 501; ++i) lines += "int a;\n";
  EXPECT_EQ(check_shape({file("src/a.cpp", lines)}, {}).size(), 1U);
  expect_one(check_shape({file("src/a.hpp", "int a;\n")}, {}),
             "src/a.hpp has no line \"#pragma once\".");
  EXPECT_EQ(check_shape({file("src/a.cpp", "// TODO: later\n")}, {}).size(), 1U);
  expect_none(check_shape({file("src/a.hpp", "#pragma once\n")}, {}));
}

TEST(Planted, ADeadLink) {
  const auto page = file("docs/x.md",
                         "[a](nowhere/at-all.md) [b](../CMakeLists.txt#top) "
                         "[c](https://example.org/) [d](#here)\n");
  expect_one(dead_links({page}, root),
             "docs/x.md links to nowhere/at-all.md, which does not exist.");
}

TEST(Planted, AFolderNobodyDescribed) {
  EXPECT_EQ(check_described({"base", "ghost"}, "| `src/base/` | ground |").size(), 1U);
}

}  // namespace
}  // namespace evergres::house
