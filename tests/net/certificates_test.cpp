#include "net/certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/file.hpp"

namespace evergres::net {
namespace {

namespace fs = std::filesystem;

const Secret secret("0123456789abcdef0123456789abcdef");
const CertificateRequest request{"demo", "n1", {"10.0.0.1", "db-1.example.org", "fd00::1"}};
constexpr std::time_t day = 86'400;

class CertificatesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "evergres-tls-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path directory_;
};

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate load(const fs::path& file) {
  std::FILE* const in = std::fopen(file.c_str(), "re");
  if (in == nullptr) return {nullptr, X509_free};
  Certificate certificate(PEM_read_X509(in, nullptr, nullptr, nullptr), X509_free);
  std::fclose(in);
  return certificate;
}

/// As a TLS library does it: chain, purpose, dates, and the name or address if there is one.
bool verifies(const fs::path& leaf, const fs::path& authority, int purpose, std::time_t at,
              const char* host = nullptr, const char* address = nullptr) {
  const Certificate one = load(leaf);
  const Certificate root = load(authority);
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, one.get(), nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
  X509_VERIFY_PARAM_set_time(how, at);
  if (host != nullptr) X509_VERIFY_PARAM_set1_host(how, host, 0);
  if (address != nullptr) X509_VERIFY_PARAM_set1_ip_asc(how, address);
  const bool fine = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return fine;
}

TEST_F(CertificatesTest, AreVerifiedByWhoeverHasTheAuthorityOfAnyNode) {
  const std::time_t now = ::time(nullptr);
  ASSERT_TRUE(issue_certificates(secret, request, directory_ / "a", now));
  ASSERT_TRUE(issue_certificates(secret, {"demo", "n2", {"10.0.0.2"}}, directory_ / "b", now));
  const CertificateFiles a = certificate_files(directory_ / "a");
  const CertificateFiles b = certificate_files(directory_ / "b");
  constexpr int server = X509_PURPOSE_SSL_SERVER;
  for (const char* host : {"localhost", "db-1.example.org"}) {
    EXPECT_TRUE(verifies(a.server, b.authority, server, now, host)) << host;
  }
  for (const char* address : {"127.0.0.1", "::1", "10.0.0.1", "fd00::1"}) {
    EXPECT_TRUE(verifies(a.server, b.authority, server, now, nullptr, address)) << address;
  }
  EXPECT_FALSE(verifies(a.server, b.authority, server, now, "example.org"));
  EXPECT_FALSE(verifies(a.server, b.authority, server, now, nullptr, "10.0.0.2"));
  EXPECT_TRUE(verifies(b.client, a.authority, X509_PURPOSE_SSL_CLIENT, now));
  EXPECT_FALSE(verifies(b.client, a.authority, server, now));
  EXPECT_FALSE(verifies(a.server, a.authority, server, now + 400 * day));
}

TEST_F(CertificatesTest, OfAnotherSecretOrClusterAreRefused) {
  const std::time_t now = ::time(nullptr);
  ASSERT_TRUE(issue_certificates(secret, request, directory_ / "a", now));
  ASSERT_TRUE(
      issue_certificates(Secret("another secret of a cluster"), request, directory_ / "b", now));
  ASSERT_TRUE(issue_certificates(secret, {"other", "n1", {}}, directory_ / "c", now));
  const fs::path authority = certificate_files(directory_ / "a").authority;
  for (const char* other : {"b", "c"}) {
    EXPECT_FALSE(verifies(certificate_files(directory_ / other).client, authority,
                          X509_PURPOSE_SSL_CLIENT, now));
  }
}

TEST_F(CertificatesTest, AreRenewedWithoutANewKeyOrAuthority) {
  const std::time_t now = ::time(nullptr);
  const CertificateFiles files = certificate_files(directory_);
  ASSERT_TRUE(issue_certificates(secret, request, directory_, now));
  const auto authority = read_file(files.authority);
  const auto key = read_file(files.server_key);
  const auto certificate = read_file(files.server);
  ASSERT_TRUE(issue_certificates(secret, request, directory_, now + 300 * day));
  EXPECT_EQ(*read_file(files.authority), *authority);
  EXPECT_EQ(*read_file(files.server_key), *key);
  EXPECT_NE(*read_file(files.server), *certificate);
  EXPECT_TRUE(verifies(files.server, files.authority, X509_PURPOSE_SSL_SERVER, now + 400 * day));
}

TEST_F(CertificatesTest, DamagedFilesAreReplacedAndKeysAreForTheirOwner) {
  const std::time_t now = ::time(nullptr);
  const CertificateFiles files = certificate_files(directory_);
  fs::create_directories(files.authority.parent_path());
  for (const fs::path& file : {files.authority, files.server, files.server_key}) {
    ASSERT_TRUE(write_file_atomically(file, "not PEM", 0644));
  }
  ASSERT_TRUE(issue_certificates(secret, request, directory_, now));
  EXPECT_TRUE(verifies(files.server, files.authority, X509_PURPOSE_SSL_SERVER, now));
  for (const fs::path& file : {files.server_key, files.client_key}) {
    struct stat seen {};
    ASSERT_EQ(::stat(file.c_str(), &seen), 0);
    EXPECT_EQ(seen.st_mode & 0777U, 0600U) << file;
  }
  std::FILE* const in = std::fopen(files.server_key.c_str(), "re");
  EVP_PKEY* const key = PEM_read_PrivateKey(in, nullptr, nullptr, nullptr);
  std::fclose(in);
  EXPECT_EQ(X509_check_private_key(load(files.server).get(), key), 1);
  EVP_PKEY_free(key);
}

TEST_F(CertificatesTest, AreDueWhenMissingOldOrFromTheFuture) {
  const std::time_t now = ::time(nullptr);
  EXPECT_TRUE(certificates_are_due(directory_, now));
  ASSERT_TRUE(issue_certificates(secret, request, directory_, now));
  EXPECT_FALSE(certificates_are_due(directory_, now));
  EXPECT_TRUE(certificates_are_due(directory_, now + 61 * day));
  EXPECT_TRUE(certificates_are_due(directory_, now - day));
  fs::remove(certificate_files(directory_).client_key);
  EXPECT_TRUE(certificates_are_due(directory_, now));
}

TEST_F(CertificatesTest, AStateDirectoryThatCannotBeWrittenIsAnError) {
  ASSERT_TRUE(write_file_atomically(directory_ / "file", "", 0600));
  EXPECT_FALSE(issue_certificates(secret, request, directory_ / "file", ::time(nullptr)));
}

}  // namespace
}  // namespace evergres::net
