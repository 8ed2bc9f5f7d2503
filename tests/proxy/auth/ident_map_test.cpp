#include "proxy/auth/ident_map.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

/// A certificate that signs itself; `subject`: pairs of attribute and value.
std::string certificate(const std::vector<std::pair<const char*, std::string>>& subject) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  for (const auto& [attribute, value] : subject) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), attribute, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
  }
  X509_set_pubkey(made.get(), key.get());
  X509_sign(made.get(), key.get(), EVP_sha256());
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(made.get(), &bytes);
  std::string der(bytes, bytes + length);
  OPENSSL_free(bytes);
  return der;
}

TEST(IdentMap, MapsNamesOfCertificatesToUsers) {
  const IdentFile file = read_ident_map(
      "# map name user\n"
      "tills \"CN=till 7,O=Shop\" app\n"
      "ops   alice            all\n"
      "ops   bob              \"all\"\n");
  ASSERT_TRUE(file.problems.empty());
  ASSERT_EQ(file.rules.size(), 3U);
  EXPECT_EQ(file.rules[0].line, 2U);
  EXPECT_TRUE(may_be(file.rules, "tills", "CN=till 7,O=Shop", "app"));
  EXPECT_FALSE(may_be(file.rules, "tills", "CN=till 7,O=Shop", "root"));
  EXPECT_TRUE(may_be(file.rules, "ops", "alice", "anybody"));
  EXPECT_TRUE(may_be(file.rules, "ops", "bob", "all"));
  EXPECT_FALSE(may_be(file.rules, "ops", "bob", "anybody"));
  EXPECT_FALSE(may_be(file.rules, "none", "alice", "alice")) << "a map that does not exist";
  EXPECT_TRUE(may_be(file.rules, "", "alice", "alice"));
  EXPECT_FALSE(may_be(file.rules, "", "alice", "Alice"));
  EXPECT_FALSE(may_be(file.rules, "", "", ""));
}

TEST(IdentMap, SaysWhatItCannotDoAndThenDoesNothing) {
  const IdentFile file = read_ident_map(
      "ops alice app\n"
      "ops /^(.*)@example$ \\1\n"
      "ops alice +admins\n"
      "ops alice\n"
      "ops \"alice app\n"
      "include other.conf x\n"
      "ops alice,bob app\n");
  EXPECT_TRUE(file.rules.empty());
  ASSERT_EQ(file.problems.size(), 6U);
  EXPECT_EQ(file.problems[0].text("map"),
            "map:2: regular expressions are not supported. Write one line for each name.");
  EXPECT_EQ(file.problems[1].text("map"),
            "map:3: memberships in roles are not known here. Name the users.");
  EXPECT_EQ(file.problems[2].text("map"),
            "map:4: a line has a map, a name and a user. Write MAP NAME USER; names with blanks or "
            "commas stand in double quotes.");
  EXPECT_EQ(file.problems[3].what, "a quote is not closed");
  EXPECT_EQ(file.problems[4].what, "other files are not included");
  EXPECT_EQ(file.problems[5].line, 7U);
}

TEST(IdentMap, ReadsTheNamesOfACertificate) {
  const auto names = certificate_names(certificate({{"O", "Shop, Ltd"}, {"CN", "till-7"}}));
  ASSERT_TRUE(names);
  EXPECT_EQ(names->common_name, "till-7");
  EXPECT_EQ(names->distinguished_name, "CN=till-7,O=Shop\\, Ltd");
  EXPECT_EQ(certificate_names(certificate({{"O", "Shop"}}))->common_name, "");
  EXPECT_EQ(certificate_names(certificate({{"CN", "one"}, {"CN", "two"}}))->common_name, "one");
  EXPECT_FALSE(certificate_names(certificate({{"CN", "app\0.example"s}})));
  EXPECT_FALSE(certificate_names("no certificate"));
}

}  // namespace
}  // namespace evergres::proxy
