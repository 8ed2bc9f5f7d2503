#include "cli/editor.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.hpp"

namespace evergres::cli {
namespace {

class Editor : public testing::Test {
 protected:
  ~Editor() override {
    ::unsetenv("VISUAL");
    ::unsetenv("EDITOR");
  }
  static void use(const char* editor) {
    ::unsetenv("VISUAL");
    ::setenv("EDITOR", editor, 1);
  }
};

TEST_F(Editor, ChangesAPrivateFile) {
  use("sed -i s/quorum/strict/");
  const auto file = edit_in_file("durability: quorum\n", false);
  ASSERT_TRUE(file) << file.error().one_line();
  struct stat status {};
  ASSERT_EQ(::stat(file->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(*read_file(*file), "durability: strict\n");
  std::filesystem::remove(*file);
}

TEST_F(Editor, ThatFailsChangesNothing) {
  use("false");
  const auto file = edit_in_file("durability: quorum\n", false);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(file.error().message(), "the editor \"false\" failed");
}

TEST_F(Editor, WithoutATerminalMustBeNamed) {
  ::unsetenv("VISUAL");
  ::unsetenv("EDITOR");
  const auto file = edit_in_file("x\n", false);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::usage);
}

TEST(Difference, ShowsChangedLinesWithTheOneAbove) {
  EXPECT_EQ(difference("a\nb\n", "a\nb\n"), "");
  EXPECT_EQ(difference("", "a\n"), "+ a\n");
  EXPECT_EQ(difference("a\n", ""), "- a\n");
  EXPECT_EQ(difference("top\n  a: 1\n  b: 2\n  c: 3\n", "top\n  a: 1\n  b: 4\n  c: 3\n"),
            "    a: 1\n-   b: 2\n+   b: 4\n");
  EXPECT_EQ(difference("a\nb\nc\nd\n", "b\nc\nx\nd\n"), "- a\n  c\n+ x\n");
}

}  // namespace
}  // namespace evergres::cli
