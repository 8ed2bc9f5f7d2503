#include "net/secret.hpp"

#include <sys/stat.h>

#include <fstream>

#include "net/error_wire.hpp"
#include "net/loop.hpp"

namespace evergres::net {
namespace {

std::string hex(const Mac& mac) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : mac) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

/// The code of the failure, or nothing.
std::optional<ErrorCode> load_code(const std::filesystem::path& file) {
  auto loaded = load_secret(file);
  if (loaded) return std::nullopt;
  return loaded.error().code();
}

TEST(SecretTest, ACreatedSecretLoadsAndIsNeverReplaced) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "secret";
  ::umask(0);
  auto made = create_secret(file);
  ::umask(022);
  ASSERT_TRUE(made) << made.error().one_line();
  EXPECT_EQ(made->value.size(), 64U);
  struct stat found {};
  ASSERT_EQ(::stat(file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0600U);
  auto loaded = load_secret(file);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded.value(), made.value());
  auto again = create_secret(file);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(load_secret(file).value(), made.value());
}

TEST(SecretTest, WhatOthersCanReadOrIsTooShortIsRefused) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "secret";
  EXPECT_EQ(load_code(file), ErrorCode::not_found);
  std::ofstream(file) << "0123456789abcdef\n";
  ::chmod(file.c_str(), 0640);
  EXPECT_EQ(load_code(file), ErrorCode::permission);
  EXPECT_EQ(load_secret(file).error().hint(), "chmod 0600 " + file.native());
  ::chmod(file.c_str(), 0400);
  EXPECT_EQ(load_code(file), std::nullopt);
  ::chmod(file.c_str(), 0600);
  std::ofstream(file) << "0123456789abcde\n\n\n";
  EXPECT_EQ(load_code(file), ErrorCode::data_invalid);
  EXPECT_EQ(load_secret(file).error().one_line().find("0123"), std::string::npos);
  std::ofstream(file) << std::string(5000, 'x');
  EXPECT_EQ(load_code(file), ErrorCode::data_invalid);
  EXPECT_EQ(load_code(directory.path()), ErrorCode::data_invalid);
}

TEST(SecretTest, TheMacIsThatOfRfc4231) {
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_NE(hex(hmac_sha256("key", "")), hex(hmac_sha256("other", "")));
}

TEST(SecretTest, SameBytesComparesAll) {
  EXPECT_TRUE(same_bytes("", ""));
  EXPECT_TRUE(same_bytes("abc", "abc"));
  EXPECT_FALSE(same_bytes("abc", "abd"));
  EXPECT_FALSE(same_bytes("abc", "ab"));
}

TEST(ErrorWire, EveryCodeSurvivesTheWire) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::authentication); ++number) {
    const auto code = static_cast<ErrorCode>(number);
    EXPECT_EQ(error_code_from_word(error_code_info(code).word), code);
  }
  EXPECT_FALSE(error_code_from_word("dancing"));
  const Error error(ErrorCode::refused, "no", "Because.", "Do not");
  const Error back = error_from_json(error_to_json(error));
  EXPECT_EQ(back.code(), ErrorCode::refused);
  EXPECT_EQ(back.for_people(), error.for_people());
}

TEST(ErrorWire, NonsenseStaysAnError) {
  EXPECT_EQ(error_from_json(boost::json::parse("17")).code(), ErrorCode::internal);
  const Error unknown = error_from_json(boost::json::parse(R"({"code":"newer","message":"m"})"));
  EXPECT_EQ(unknown.code(), ErrorCode::internal);
  EXPECT_EQ(unknown.detail(), "Its code is \"newer\", which this version does not know.");
}

}  // namespace
}  // namespace evergres::net
