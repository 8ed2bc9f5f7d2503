#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace evergres::proxy {

/// A directory with an authority, and certificates that it has signed.
class Certificates {
 public:
  Certificates() {
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    make("authority", "authority", "");
  }
  ~Certificates() { std::filesystem::remove_all(directory_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return directory_ + "/" + name; }

  /// NAME.crt and NAME.key; `alternative`: "DNS:db.example" or "IP:127.0.0.1"; empty: its own
  /// authority.
  void make(const std::string& name, const std::string& common, const std::string& alternative) {
    const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const Certificate made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
    const bool own = alternative.empty();
    X509_set_issuer_name(made.get(), X509_get_subject_name(own ? made.get() : authority_.get()));
    add(made.get(), own ? NID_basic_constraints : NID_subject_alt_name,
        own ? "critical,CA:TRUE" : alternative);
    EXPECT_GT(X509_sign(made.get(), own ? key.get() : authority_key_.get(), EVP_sha256()), 0);
    write(name, made.get(), key.get());
    if (own && authority_ == nullptr) {
      X509_up_ref(made.get());
      EVP_PKEY_up_ref(key.get());
      authority_.reset(made.get());
      authority_key_.reset(key.get());
    }
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static void add(X509* to, int what, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    EXPECT_NE(extension, nullptr);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
  }
  void write(const std::string& name, X509* certificate, EVP_PKEY* key) const {
    BIO* bio = BIO_new_file(file(name + ".crt").c_str(), "w");
    EXPECT_EQ(PEM_write_bio_X509(bio, certificate), 1);
    BIO_free(bio);
    bio = BIO_new_file(file(name + ".key").c_str(), "w");
    EXPECT_EQ(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
    BIO_free(bio);
    EXPECT_EQ(::chmod(file(name + ".key").c_str(), 0600), 0);
  }

  std::string directory_ = "/tmp/evergres-tls-XXXXXX";
  Certificate authority_{nullptr, &X509_free};
  Key authority_key_{nullptr, &EVP_PKEY_free};
  long serial_ = 0;
};

}  // namespace evergres::proxy
