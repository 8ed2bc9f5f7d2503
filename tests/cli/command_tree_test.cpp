#include "cli/command_tree.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/command_line.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

std::string printed(std::vector<std::string> words) {
  Wiring wiring;
  wiring.version = "1.2.3";
  words.insert(words.begin(), "evergres");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_command_line(static_cast<int>(words.size()), pointers.data(), wiring), 0);
  return testing::internal::GetCapturedStdout();
}

bool is_installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
}

class Printed : public testing::Test {
 protected:
  Printed() {
    char name[] = "/tmp/evergres_printed_XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    directory_ = name;
  }
  ~Printed() override { fs::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content, bool program = false) {
    std::ofstream(directory_ / name) << content;
    if (program) fs::permissions(directory_ / name, fs::perms::owner_all);
    return (directory_ / name).string();
  }
  /// What a shell command prints on stdout and stderr, and its exit status in the last line.
  std::string run(const std::string& command) {
    FILE* const pipe = popen(("{ " + command + "; } 2>&1; echo $?").c_str(), "r");
    std::string text;
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) text += static_cast<char>(c);
    pclose(pipe);
    return text;
  }
  fs::path directory_;
};

TEST(CommandsReference, IsTheOneInTheDocs) {
  std::ifstream in(std::string(EVERGRES_SOURCE_DIR) + "/docs/reference/commands.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), printed({"print", "commands"}))
      << "evergres print commands > docs/reference/commands.md";
}

TEST(CommandsReference, HidesWhatIsNotForPeople) {
  const std::string text = printed({"print", "commands"});
  EXPECT_EQ(text.find("## agent"), std::string::npos);
  EXPECT_EQ(text.find("## complete\n"), std::string::npos);
  EXPECT_NE(text.find("## demo kill\n"), std::string::npos);
  EXPECT_NE(text.find("    evergres reinit [OPTIONS] NODE\n"), std::string::npos);
  EXPECT_NE(text.find("- `-w, --watch [VALUE]`"), std::string::npos);
}

TEST_F(Printed, EveryShellAcceptsItsScript) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = file(shell, printed({"completion", shell}));
    if (!is_installed(shell)) continue;
    EXPECT_EQ(run(std::string(shell) + " -n " + script), "0\n") << shell;
  }
}

/// Shells ask a stand-in for the names of the nodes.
class Shell : public Printed {
 protected:
  Shell() {
    file("evergres",
         "#!/bin/sh\necho \"$@\" >> " + (directory_ / "asked").string() + "\necho n1\necho n2\n",
         true);
  }
  /// Of the stand-in and of the completion for this shell.
  std::string script_of(const std::string& shell) {
    return file("script", printed({"completion", shell}));
  }
  std::string run_in(const std::string& shell, const std::string& text) {
    return run("PATH=" + directory_.string() + ":$PATH HOME=" + directory_.string() + " " + shell +
               " " + file("line", text));
  }
  std::string last_asked() {
    std::ifstream asked(directory_ / "asked");
    std::string last;
    for (std::string line; std::getline(asked, line);) last = line;
    return last;
  }
};

class Bash : public Shell {
 protected:
  /// What the script offers when a person has typed `words` and presses Tab on the last one.
  std::string offered(const std::vector<std::string>& words) {
    std::string line = ". " + script_of("bash") + "; COMP_WORDS=(evergres";
    for (const std::string& word : words) line += " '" + word + "'";
    line +=
        "); COMP_CWORD=" + std::to_string(words.size()) + "; _evergres; echo \"${COMPREPLY[@]}\"";
    return run_in("bash", line);
  }
};

TEST_F(Bash, OffersCommandsOptionsChoicesAndNodes) {
  EXPECT_EQ(offered({"swi"}), "switchover\n0\n");
  EXPECT_EQ(offered({"list", "-o", "y"}), "yaml\n0\n");
  EXPECT_EQ(offered({"switchover", "--f"}), "--force\n0\n");
  EXPECT_EQ(offered({"demo", "fre"}), "freeze\n0\n");
  EXPECT_EQ(offered({"demo", "kill", "n"}), "n1 n2\n0\n");
  EXPECT_EQ(offered({"switchover", "--to", ""}), "n1 n2\n0\n");
  EXPECT_EQ(offered({"-c", "/etc/x.yaml", "reinit", "n2"}), "n2\n0\n");
  EXPECT_EQ(last_asked(), "-c /etc/x.yaml complete nodes");
}

TEST_F(Shell, ZshOffersCommandsChoicesAndNodes) {
  if (!is_installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  const std::string script = script_of("zsh");
  const auto offered = [&](const std::string& words) {
    return run_in("zsh -f", "compadd() { shift; print -r -- $*; }; compdef() { : }\n. " + script +
                                "\nwords=(evergres " + words + "); CURRENT=$#words; _evergres\n");
  };
  EXPECT_EQ(offered("list -o y"), "table json yaml tsv\n0\n");
  EXPECT_EQ(offered("switchover --to ''"), "n1 n2\n0\n");
  EXPECT_NE(offered("swi").find(" switchover failover "), std::string::npos);
  EXPECT_NE(offered("-c /etc/x.yaml reinit n").find(" n1 n2\n"), std::string::npos);
  EXPECT_EQ(last_asked(), "-c /etc/x.yaml complete nodes");
}

TEST_F(Shell, FishOffersCommandsChoicesAndNodes) {
  if (!is_installed("fish")) GTEST_SKIP() << "fish is not installed";
  const std::string script = script_of("fish");
  const auto offered = [&](const std::string& line) {
    return run_in("fish --no-config",
                  "source " + script + "\ncomplete -C '" + line + "' | cut -f1");
  };
  EXPECT_EQ(offered("evergres swi"), "switchover\n0\n");
  EXPECT_EQ(offered("evergres -c /etc/x.yaml swi"), "switchover\n0\n");
  EXPECT_EQ(offered("evergres list -o y"), "yaml\n0\n");
  EXPECT_EQ(offered("evergres switchover --to "), "n1\nn2\n0\n");
  EXPECT_EQ(offered("evergres demo fre"), "freeze\n0\n");
  EXPECT_EQ(offered("evergres demo --directory /x kill "), "n1\nn2\n0\n");
  EXPECT_EQ(offered("evergres -c /etc/x.yaml reinit n"), "n1\nn2\n0\n");
  EXPECT_EQ(last_asked(), "-c /etc/x.yaml complete nodes");
}

TEST_F(Bash, OffersFilesWhereAFileIsWanted) {
  const std::string prefix = (directory_ / "jour").string();
  const std::string journal = file("journal.jsonl", "");
  EXPECT_EQ(offered({"replay", prefix}), journal + "\n0\n");
  EXPECT_EQ(offered({"-c", prefix}), journal + "\n0\n");
}

TEST_F(Printed, TheManualHasNoWarnings) {
  const std::string manual = printed({"man"});
  EXPECT_NE(manual.find(".SS evergres pause [OPTIONS]\n"), std::string::npos);
  EXPECT_NE(manual.find(".TH EVERGRES 1 \"\" \"evergres 1.2.3\""), std::string::npos);
  if (!is_installed("groff")) GTEST_SKIP() << "groff is not installed";
  const std::string page = file("evergres.1", manual);
  EXPECT_EQ(run("groff -man -Tutf8 -z -ww " + page), "0\n");
  const std::string text = run("groff -man -Tutf8 -P-c -P-b -P-u " + page);
  EXPECT_NE(text.find("--accept-data-loss"), std::string::npos);
}

TEST(Complete, NeverFailsAndNamesWhatTheConfigurationKnows) {
  char name[] = "/tmp/evergres_complete_XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const fs::path directory = name;
  std::ofstream(directory / "node.yaml")
      << "cluster: demo\nnode: n1\ndata_directory: data\nstore: sqlite:store.db\n"
         "secret_file: secret\nrun_directory: .\n";
  EXPECT_EQ(printed({"complete", "nodes", "-c", (directory / "node.yaml").string()}), "n1\n");
  EXPECT_EQ(printed({"complete", "nodes", "-c", (directory / "nothing.yaml").string()}), "");
  fs::remove_all(directory);
}

}  // namespace
}  // namespace evergres::cli
