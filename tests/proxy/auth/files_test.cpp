#include <gtest/gtest.h>

#include "proxy/auth/auth_file.hpp"
#include "proxy/auth/hba.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

const std::string secret = text_of(make_secret("pencil", "0123456789abcdef", 1));

std::string lines_of(const std::vector<FileProblem>& problems, const char* file) {
  std::string text;
  for (const FileProblem& problem : problems) text += problem.text(file) + "\n";
  return text;
}

TEST(AuthFile, ReadsPgbouncersFormat) {
  const AuthFile file =
      read_auth_file("; users\n\n\"app\" \"" + secret + "\"\n  \"o\"\"brien\"\t\"" + secret +
                         "\" and more\r\n# end",
                     Key());
  EXPECT_EQ(lines_of(file.problems, "users.txt"), "");
  ASSERT_EQ(file.users.size(), 2U);
  EXPECT_EQ(text_of(file.users.at("app")), secret);
  EXPECT_TRUE(file.users.contains("o\"brien"));
}

TEST(AuthFile, APasswordInTheClearBecomesTheSameSecretEachTime) {
  const Key key = sha256("of this cluster");
  const AuthFile once = read_auth_file("\"app\" \"pencil\"\n\"web\" \"pencil\"\n", key);
  const AuthFile twice = read_auth_file("\"app\" \"pencil\"\n", key);
  ASSERT_EQ(once.users.size(), 2U);
  EXPECT_EQ(text_of(once.users.at("app")), text_of(twice.users.at("app")));
  EXPECT_NE(once.users.at("app").salt, once.users.at("web").salt);
  EXPECT_EQ(text_of(make_secret("pencil", once.users.at("app").salt)),
            text_of(once.users.at("app")));
  // Servers have another salt: for them the password itself is kept.
  EXPECT_EQ(once.passwords.at("app"), "pencil");
  const AuthFile other = read_auth_file(
      "\"app\" \"" + secret + "\"\n\"two\" \"x\"\n\"two\" \"y\"", key);
  EXPECT_TRUE(other.passwords.empty());
}

TEST(AuthFile, SaysFileAndLineAndNeverTheSecret) {
  const AuthFile file = read_auth_file(
      "app secret\n"
      "\"app\"\n"
      "\"app\" \"no end\n"
      "\"old\" \"md5" +
          std::string(32, 'a') +
          "\"\n"
          "\"cut\" \"SCRAM-SHA-256$4096:abc\"\n"
          "\"none\" \"\"\n"
          "\"\" \"x\"\n"
          "\"" +
          std::string(64, 'u') + "\" \"x\"\n\"two\" \"" + secret + "\"\n\"two\" \"" + secret +
          "\"\n\"two\" \"" + secret + "\"\n",
      Key());
  EXPECT_EQ(
      lines_of(file.problems, "users.txt"),
      "users.txt:1: a line begins with a user name in double quotes. Write \"user\" \"secret\"; "
      "comments begin with ; or #.\n"
      "users.txt:2: after the user name comes a secret in double quotes. Write \"user\" "
      "\"secret\".\n"
      "users.txt:3: after the user name comes a secret in double quotes. Write \"user\" "
      "\"secret\".\n"
      "users.txt:4: MD5 passwords are not supported. Set password_encryption = 'scram-sha-256', "
      "set the password again, and copy pg_authid.rolpassword.\n"
      "users.txt:5: the SCRAM secret cannot be read. Copy pg_authid.rolpassword whole.\n"
      "users.txt:6: an empty secret lets nobody in. Remove the line, or give the user a SCRAM "
      "secret.\n"
      "users.txt:7: a user name has 1 to 63 bytes\n"
      "users.txt:8: a user name has 1 to 63 bytes\n"
      "users.txt:10: the user stands in the file twice. Keep one of the lines.\n"
      "users.txt:11: the user stands in the file twice. Keep one of the lines.\n");
  EXPECT_TRUE(file.users.empty()) << "a user in a line with a problem is not let in";
}

TEST(Hba, TheFirstRuleThatMatchesDecides) {
  const HbaFile file = read_hba(
      "# TYPE  DATABASE  USER  ADDRESS  METHOD\n"
      "local   all  all  peer map=os\n"
      "host    shop,web  app  10.0.0.0/8  scram-sha-256\n"
      "hostssl all  all  ::1/128  cert map=cn\n"
      "host    replication  rep  192.168.0.0 255.255.0.0  scram-sha-256\n"
      "hostnossl \"all\"  all  all  reject\n"
      "hostssl sameuser  all  all  scram-sha-256 clientcert=verify-full\n");
  ASSERT_EQ(lines_of(file.problems, "hba"), "");
  const auto line = [&](const char* address, bool tls, const char* user, const char* database,
                        bool physical = false) -> std::size_t {
    const HbaQuestion question{IpAddress::parse(address), tls, user, database, physical};
    const HbaRule* rule = match(file.rules, question);
    return rule == nullptr ? 0 : rule->line;
  };
  EXPECT_EQ(line("", false, "app", "shop"), 2U);
  EXPECT_EQ(line("10.1.2.3", false, "app", "shop"), 3U);
  EXPECT_EQ(line("::ffff:10.1.2.3", true, "app", "web"), 3U) << "IPv4 written as IPv6";
  EXPECT_EQ(line("11.1.2.3", false, "app", "shop"), 0U);
  EXPECT_EQ(line("10.1.2.3", false, "other", "shop"), 0U);
  EXPECT_EQ(line("::1", true, "x", "y"), 4U);
  EXPECT_EQ(line("::1", false, "x", "y"), 0U);
  EXPECT_EQ(line("192.168.7.7", false, "rep", "", true), 5U);
  EXPECT_EQ(line("192.168.7.7", false, "rep", "replication"), 0U) << "the keyword is no database";
  EXPECT_EQ(line("::1", true, "rep", "", true), 0U) << "all is not for replication";
  EXPECT_EQ(line("1.2.3.4", false, "x", "all"), 6U) << "in quotes it is a name";
  EXPECT_EQ(line("1.2.3.4", true, "x", "x"), 7U);
  EXPECT_TRUE(file.rules.back().needs_certificate);
  EXPECT_EQ(file.rules.front().map, "os");
}

TEST(Hba, LinesGoOnBehindABackslashAndCommasMayHaveBlanks) {
  const HbaFile file = read_hba("host a, b \\\n  app \\\n 10.0.0.1/32 reject\nlocal all all peer");
  ASSERT_EQ(lines_of(file.problems, "hba"), "");
  ASSERT_EQ(file.rules.size(), 2U);
  EXPECT_EQ(file.rules[0].databases, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(file.rules[0].line, 1U);
  EXPECT_EQ(file.rules[1].line, 4U);
}

TEST(Hba, APrefixOfAnyLengthCountsItsBitsOnly) {
  for (unsigned prefix = 0; prefix <= 32; ++prefix) {
    const HbaFile file =
        read_hba("host all all 170.85.170.85/" + std::to_string(prefix) + " reject\n");
    ASSERT_EQ(file.rules.size(), 1U);
    for (unsigned bit = 0; bit < 32; ++bit) {
      HbaQuestion question;
      question.address = IpAddress::parse("170.85.170.85");
      auto& byte = question.address->bytes[bit / 8];
      byte = static_cast<std::uint8_t>(byte ^ (0x80U >> (bit % 8)));
      EXPECT_EQ(match(file.rules, question) != nullptr, bit >= prefix) << prefix << " " << bit;
    }
  }
}

TEST(Hba, SaysFileAndLineOfWhatItDoesNotDo) {
  const HbaFile file = read_hba(
      "host all all 10.0.0.0/8 trust\n"
      "host all all 10.0.0.0/8 md5\n"
      "host all +admins all reject\n"
      "host /^x all all reject\n"
      "host all all example.org reject\n"
      "host all all samenet reject\n"
      "host all all 10.0.0.0/33 reject\n"
      "host all all 10.0.0.0 255.0.255.0 reject\n"
      "host all all\n"
      "host all all all cert\n"
      "host all \"all reject\n"
      "host all,,x all all reject\n"
      "include other.conf\n"
      "host all all all reject mask=1\n"
      "host all @users all reject\n"
      "host all all 10.0.0.0/8\n"
      "nonsense\n");
  EXPECT_EQ(lines_of(file.problems, "hba"),
            "hba:1: trust lets everybody in under every name. Use scram-sha-256, cert or peer.\n"
            "hba:2: md5 is not supported. Use scram-sha-256.\n"
            "hba:3: memberships in roles are not known here. Name the users.\n"
            "hba:4: regular expressions are not supported. Name the databases.\n"
            "hba:5: \"example.org\" is no IP address. Host names are not looked up; write an "
            "address and a prefix.\n"
            "hba:6: samenet is not supported. Write the network.\n"
            "hba:7: \"10.0.0.0/33\" has no possible prefix\n"
            "hba:8: an address has a prefix or a mask. Write 10.0.0.0/8, for example.\n"
            "hba:9: the line ends too early. Write TYPE DATABASE USER ADDRESS METHOD; local has "
            "no address.\n"
            "hba:10: cert needs hostssl\n"
            "hba:11: a quote is not closed\n"
            "hba:12: a comma stands between two words\n"
            "hba:13: other files are not included. Put the lines into this file.\n"
            "hba:14: option \"mask=1\" is not known here. Known are clientcert=verify-full with "
            "hostssl, map=NAME with cert, peer and behind clientcert=verify-full, and clientname=CN or "
            "DN with certificates.\n"
            "hba:15: files of names are not supported. Name the users.\n"
            "hba:16: the line ends too early. Write TYPE DATABASE USER ADDRESS METHOD; local has "
            "no address.\n"
            "hba:17: a line begins with local, host, hostssl or hostnossl\n");
  EXPECT_TRUE(file.rules.empty()) << "a file with a problem is not used";
}

}  // namespace
}  // namespace evergres::proxy
