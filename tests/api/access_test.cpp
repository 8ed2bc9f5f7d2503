#include "api/access.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace evergres::api {
namespace {

constexpr const char* password = "a password of the tests";

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "evg-api-XXXXXX").native();
    root_ = ::mkdtemp(pattern.data());
    settings_.http_user = "admin";
    settings_.http_password_file = root_ / "password";
    write(std::string(password) + "\n", 0600);
    request_.method = "POST";
    request_.host = "db1:8008";
    request_.from_loopback = true;
    give("admin", password);
  }
  ~AccessTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& text, unsigned mode) const {
    std::filesystem::remove(settings_.http_password_file);
    std::ofstream(settings_.http_password_file) << text;
    std::filesystem::permissions(settings_.http_password_file,
                                 static_cast<std::filesystem::perms>(mode));
  }
  void give(const std::string& user, const std::string& word) {
    request_.authorization = "Basic " + net::base64(user + ":" + word);
  }
  [[nodiscard]] Access access() const { return access_of(request_, access_rules(settings_)); }

  std::filesystem::path root_;
  config::NodeSettings settings_;
  net::HttpRequest request_;
};

TEST_F(AccessTest, TheRightUserAndPasswordMay) {
  EXPECT_EQ(access(), Access::allowed);
  request_.authorization = "bAsIc " + net::base64(std::string("admin:") + password);
  EXPECT_EQ(access(), Access::allowed);
}

TEST_F(AccessTest, EverythingElseMayNot) {
  using enum Access;
  for (const auto& [user, word] : {std::pair<std::string, std::string>{"admin", "a password"},
                                   {"admin", std::string(password) + "\n"},
                                   {"admin", ""},
                                   {"Admin", password},
                                   {"", password}}) {
    give(user, word);
    EXPECT_EQ(access(), wrong_credentials) << user << " " << word;
  }
  for (const char* header : {"", "Basic", "Basic ", "Bearer abc", "Basicabc"}) {
    request_.authorization = header;
    EXPECT_EQ(access(), without_credentials) << header;
  }
  request_.authorization = "Basic " + std::string(8000, '=');
  EXPECT_EQ(access(), wrong_credentials);
}

TEST_F(AccessTest, WithoutAUserNobodyMay) {
  settings_.http_user.clear();
  EXPECT_EQ(access(), Access::not_configured);
  const auto answer = refusal_of(access(), access_rules(settings_));
  EXPECT_EQ(answer.status, 403U);
  EXPECT_NE(answer.body.find("http_password_file"), std::string::npos) << answer.body;
}

TEST_F(AccessTest, APasswordThatOthersMayReadOrThatIsTooShortIsNone) {
  write(password, 0644);
  EXPECT_EQ(access(), Access::not_configured);
  EXPECT_NE(refusal_of(access(), access_rules(settings_)).body.find("open to others"),
            std::string::npos);
  write("short", 0600);
  EXPECT_EQ(access(), Access::not_configured);
  std::filesystem::remove(settings_.http_password_file);
  EXPECT_EQ(access(), Access::not_configured);
}

TEST_F(AccessTest, FromAnotherMachineOnlyByAnExplicitWord) {
  request_.from_loopback = false;
  EXPECT_EQ(access(), Access::from_elsewhere);
  EXPECT_EQ(refusal_of(access(), access_rules(settings_)).status, 403U);
  settings_.http_changes_from = "anywhere";
  EXPECT_EQ(access(), Access::allowed);
}

TEST_F(AccessTest, APageOfAnotherSiteMayNotUseTheBrowsersPassword) {
  request_.origin = "http://evil.example";
  EXPECT_EQ(access(), Access::of_another_site);
  EXPECT_EQ(refusal_of(access(), access_rules(settings_)).status, 403U);
  for (const char* origin : {"http://db1:8008", "https://db1:8008"}) {
    request_.origin = origin;
    EXPECT_EQ(access(), Access::allowed);
  }
}

TEST_F(AccessTest, RefusalsAskForCredentialsAndTellNothing) {
  const auto rules = access_rules(settings_);
  for (const Access access : {Access::without_credentials, Access::wrong_credentials}) {
    const auto answer = refusal_of(access, rules);
    EXPECT_EQ(answer.status, 401U);
    ASSERT_EQ(answer.headers.size(), 1U);
    EXPECT_EQ(answer.headers[0].first, "WWW-Authenticate");
    EXPECT_TRUE(answer.headers[0].second.starts_with("Basic realm="));
    EXPECT_EQ(answer.body.find(password), std::string::npos);
  }
}

}  // namespace
}  // namespace evergres::api
