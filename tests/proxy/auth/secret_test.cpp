#include "proxy/auth/secret.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <concepts>
#include <memory>

#include "proxy/auth/end_point.hpp"

namespace evergres::proxy {
namespace {

// A comparison that ends at the first difference tells how much of a guess is right.
TEST(Digest, KeysHaveNoOtherComparison) {
  static_assert(!std::equality_comparable<Key>);
  std::string bytes(Key::size, 'k');
  const Key key = *Key::of(bytes);
  EXPECT_TRUE(key.same(*Key::of(bytes)));
  for (const std::size_t at : {std::size_t{0}, Key::size - 1}) {
    std::string other = bytes;
    other[at] = 'x';
    EXPECT_FALSE(key.same(*Key::of(other))) << at;
    EXPECT_FALSE(same_secret(bytes, other)) << at;
  }
  EXPECT_TRUE(same_secret(bytes, bytes));
  EXPECT_FALSE(same_secret(bytes, bytes.substr(1)));
}

TEST(Secret, IsReadAndWrittenAsPostgresqlStoresIt) {
  // CREATE ROLE … PASSWORD 'pencil' with the salt of RFC 7677.
  const std::string text =
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
      "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
  const auto secret = read_secret(text);
  ASSERT_TRUE(secret);
  EXPECT_EQ(text_of(*secret), text);
  EXPECT_EQ(text_of(make_secret("pencil", secret->salt)), text);
}

TEST(Secret, NothingElseIsOne) {
  const std::string key = base64(std::string(32, 'k'));
  const std::string good = "SCRAM-SHA-256$4096:c2FsdA==$" + key + ":" + key;
  ASSERT_TRUE(read_secret(good));
  for (const std::string& bad :
       {std::string(), std::string("SCRAM-SHA-256$"), std::string("md5") + std::string(32, '0'),
        good + "x", good + "\n", " " + good, good.substr(0, good.size() - 1),
        "SCRAM-SHA-256$0:c2FsdA==$" + key + ":" + key,
        "SCRAM-SHA-256$-1:c2FsdA==$" + key + ":" + key,
        "SCRAM-SHA-256$4294967297:c2FsdA==$" + key + ":" + key,
        "SCRAM-SHA-256$4096:$" + key + ":" + key,
        "SCRAM-SHA-256$4096:c2FsdA==$" + base64(std::string(31, 'k')) + ":" + key,
        "SCRAM-SHA-256$4096$c2FsdA==:" + key + ":" + key,
        "SCRAM-SHA-1$4096:c2FsdA==$" + key + ":" + key}) {
    EXPECT_FALSE(read_secret(bad)) << bad;
  }
}

TEST(Secret, Base64HasOneSpellingPerValue) {
  for (const std::string& bytes : {std::string(), std::string("a"), std::string("ab"),
                                   std::string("abc"), std::string("\0\xff", 2)}) {
    EXPECT_EQ(from_base64(base64(bytes)), bytes);
  }
  EXPECT_EQ(base64("pencil"), "cGVuY2ls");
  for (const char* bad : {"a", "YQ", "YQ=", "YR==", "YWJ=", "Y Q==", "YQ==\n", "=",
                          "====", "Y===", "YQ==YQ==", "YQ-_"}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
}

TEST(Secret, PasswordsPassWhereNormalisingChangesNothing) {
  for (const char* good : {"pencil", "", "with blank", "Grüße", "Ωμέγα", "Привет", "パスワ", "密碼",
                           "한글", "€5", "\xc3\x28", "\xed\xa0\x80", "\xf0\x9f\x98\x80"}) {
    const auto prepared = prepare_password(good);
    ASSERT_TRUE(prepared) << good;
    EXPECT_EQ(prepared.value(), good);
  }
  // A ligature, a combining accent, a blank that is mapped, a soft hyphen, a full-width letter.
  for (const char* bad : {"ﬁ", "e\xcc\x81", "a\xc2\xa0z", "a\xc2\xadz", "Ａ", "ª", "א"}) {
    const auto prepared = prepare_password(bad);
    ASSERT_FALSE(prepared) << bad;
    EXPECT_EQ(prepared.error().message(), "the password has a letter that cannot be normalised");
    EXPECT_EQ(prepared.error().for_people().find(bad), std::string::npos) << "a secret is shown";
  }
}

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::string signed_with(EVP_PKEY* key, const EVP_MD* hash) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> owned(key, &EVP_PKEY_free);
  const Certificate certificate(X509_new(), &X509_free);
  X509_set_pubkey(certificate.get(), key);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 60);
  EXPECT_GT(X509_sign(certificate.get(), key, hash), 0);
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(certificate.get(), &bytes);
  std::string der(bytes, bytes + length);
  OPENSSL_free(bytes);
  return der;
}

EVP_PKEY* elliptic() {
  return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
}

std::string hash_of(const std::string& bytes, const EVP_MD* hash) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
             hash, nullptr);
  digest.resize(length);
  return digest;
}

TEST(EndPoint, IsTheHashOfTheCertificateWithTheHashOfItsSignature) {
  const std::string with_256 = signed_with(elliptic(), EVP_sha256());
  EXPECT_EQ(end_point_hash(with_256), hash_of(with_256, EVP_sha256()));
  const std::string with_384 = signed_with(elliptic(), EVP_sha384());
  EXPECT_EQ(end_point_hash(with_384), hash_of(with_384, EVP_sha384()));
  const std::string with_1 = signed_with(elliptic(), EVP_sha1());
  EXPECT_EQ(end_point_hash(with_1), hash_of(with_1, EVP_sha256()));
}

TEST(EndPoint, NothingForASignatureWithoutAHashAndForNoCertificate) {
  const std::string edwards = signed_with(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr);
  EXPECT_FALSE(end_point_hash(edwards));
  EXPECT_FALSE(end_point_hash(""));
  EXPECT_FALSE(end_point_hash("no certificate"));
  EXPECT_FALSE(end_point_hash(signed_with(elliptic(), EVP_sha256()) + "tail"));
}

}  // namespace
}  // namespace evergres::proxy
