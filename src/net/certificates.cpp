#include "net/certificates.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <memory>
#include <set>

#include "base/file.hpp"

namespace evergres::net {
namespace {

namespace fs = std::filesystem;

constexpr long day_s = 86'400;
constexpr std::time_t renew_after_s = 60 * day_s;
constexpr std::time_t clock_slack_s = 300;
constexpr const char* client_name = "evergres_proxy";

template <auto Free>
struct Freer {
  template <typename Type>
  void operator()(Type* it) const {
    Free(it);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_clear_free>>;
using Group = std::unique_ptr<EC_GROUP, Freer<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Freer<EC_POINT_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

/// A number in [1, order) that depends on the secret and the cluster only: the first of a sequence
/// of MACs that lies in the range (FIPS 186-5, A.2.2; nearly always the very first).
Number authority_number(const Secret& secret, const std::string& cluster, const BIGNUM* order) {
  for (unsigned attempt = 0;; ++attempt) {
    Mac mac =
        hmac_sha256(secret.value, "evergres authority " + cluster + " " + std::to_string(attempt));
    Number number(BN_bin2bn(mac.data(), static_cast<int>(mac.size()), nullptr));
    OPENSSL_cleanse(mac.data(), mac.size());
    CHECK(number != nullptr);
    if (!BN_is_zero(number.get()) && BN_cmp(number.get(), order) < 0) return number;
  }
}

Key authority_key(const Secret& secret, const std::string& cluster) {
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  CHECK(group != nullptr);
  const Number number = authority_number(secret, cluster, EC_GROUP_get0_order(group.get()));
  const Point point(EC_POINT_new(group.get()));
  CHECK(EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) == 1);
  std::array<unsigned char, 65> bytes{};
  CHECK(EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, bytes.data(),
                           bytes.size(), nullptr) == bytes.size());
  const std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>> build(OSSL_PARAM_BLD_new());
  CHECK(OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, bytes.data(),
                                         bytes.size()) == 1 &&
        OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) == 1);
  const std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>> made(
      OSSL_PARAM_BLD_to_param(build.get()));
  const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  CHECK(EVP_PKEY_fromdata_init(context.get()) == 1 &&
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, made.get()) == 1);
  return Key(key);
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* certificate) {
  const Bio memory(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(memory.get(), certificate) == 1);
  return text_of(memory.get());
}

/// The key in the file, or a new one in its place if there is none that can be used, or others
/// could read it.
Result<Key> kept_key(const fs::path& file) {
  const auto found = read_file_if_present(file, 64U << 10U);
  if (!found) return found.error();
  struct stat seen {};
  const bool was_private = ::stat(file.c_str(), &seen) == 0 && (seen.st_mode & 077U) == 0;
  if (*found && was_private) {
    const Bio memory(BIO_new_mem_buf((*found)->data(), static_cast<int>((*found)->size())));
    Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
    if (key && EVP_PKEY_is_a(key.get(), "EC") == 1) return key;
  }
  Key key(EVP_EC_gen("prime256v1"));
  CHECK(key != nullptr);
  const Bio memory(BIO_new(BIO_s_secmem()));
  CHECK(PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
        1);
  std::string text = text_of(memory.get());
  Outcome written = write_file_durably(file, text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  if (!written) return written.error();
  return key;
}

void set_name(X509_NAME* name, const std::string& common) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(common.data());
  CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, bytes,
                                   static_cast<int>(common.size()), -1, 0) == 1);
}

void extend(X509* certificate, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value));
  CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  bytes[0] &= 0x7FU;
  bytes[0] |= 0x40U;  // positive, never short
  const Number number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

/// Without dates of its own: the key lives as long as the secret, and a certificate of the
/// authority that runs out would have to be given to all clients anew. Two of them may differ in
/// the bytes of their signature; whoever has one verifies what is signed beside the other.
Certificate authority_certificate(EVP_PKEY* key, const std::string& cluster) {
  Certificate made(X509_new());
  X509* const is = made.get();
  CHECK(X509_set_version(is, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(is), 1);
  CHECK(ASN1_TIME_set_string_X509(X509_getm_notBefore(is), "20200101000000Z") == 1);
  CHECK(ASN1_TIME_set_string_X509(X509_getm_notAfter(is), "20991231235959Z") == 1);
  set_name(X509_get_subject_name(is), "Evergres authority of " + cluster);
  CHECK(X509_set_issuer_name(is, X509_get_subject_name(is)) == 1);
  CHECK(X509_set_pubkey(is, key) == 1);
  extend(is, is, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(is, is, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(is, is, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(is, key, EVP_sha256()) != 0);
  return made;
}

void add_names(X509* certificate, const std::set<std::string>& names) {
  const std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>> list(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    std::array<unsigned char, 16> address{};
    int length = 0;
    if (::inet_pton(AF_INET, name.c_str(), address.data()) == 1) length = 4;
    if (length == 0 && ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1) length = 16;
    GENERAL_NAME* const entry = GENERAL_NAME_new();
    CHECK(entry != nullptr);
    if (length != 0) {
      ASN1_OCTET_STRING* const bytes = ASN1_OCTET_STRING_new();
      CHECK(ASN1_OCTET_STRING_set(bytes, address.data(), length) == 1);
      GENERAL_NAME_set0_value(entry, GEN_IPADD, bytes);
    } else {
      ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
      CHECK(ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 1);
      GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    }
    CHECK(sk_GENERAL_NAME_push(list.get(), entry) > 0);
  }
  CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1);
}

struct Leaf {
  std::string name;
  std::set<std::string> names;  ///< empty: a client's
};

std::string leaf_certificate(const Leaf& leaf, EVP_PKEY* key, X509* authority,
                             EVP_PKEY* authority_key, std::time_t now) {
  const Certificate made(X509_new());
  X509* const is = made.get();
  CHECK(X509_set_version(is, X509_VERSION_3) == 1);
  set_random_serial(is);
  CHECK(ASN1_TIME_set(X509_getm_notBefore(is), now - day_s) != nullptr);
  CHECK(ASN1_TIME_set(X509_getm_notAfter(is), now + 365 * day_s) != nullptr);
  set_name(X509_get_subject_name(is), leaf.name);
  CHECK(X509_set_issuer_name(is, X509_get_subject_name(authority)) == 1);
  CHECK(X509_set_pubkey(is, key) == 1);
  extend(is, authority, NID_basic_constraints, "critical,CA:FALSE");
  extend(is, authority, NID_key_usage, "critical,digitalSignature");
  extend(is, authority, NID_ext_key_usage, leaf.names.empty() ? "clientAuth" : "serverAuth");
  extend(is, authority, NID_subject_key_identifier, "hash");
  extend(is, authority, NID_authority_key_identifier, "keyid:always");
  if (!leaf.names.empty()) add_names(is, leaf.names);
  CHECK(X509_sign(is, authority_key, EVP_sha256()) != 0);
  return pem(is);
}

/// The authority's certificate in the file if it is of this key, else a new one in its place.
Result<Certificate> kept_authority(const fs::path& file, EVP_PKEY* key,
                                   const std::string& cluster) {
  const auto found = read_file_if_present(file, 64U << 10U);
  if (!found) return found.error();
  Certificate fresh = authority_certificate(key, cluster);
  if (*found) {
    const Bio memory(BIO_new_mem_buf((*found)->data(), static_cast<int>((*found)->size())));
    Certificate old(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    const bool same =
        old && X509_verify(old.get(), key) == 1 &&
        X509_NAME_cmp(X509_get_subject_name(old.get()), X509_get_subject_name(fresh.get())) == 0;
    if (same) return old;
  }
  if (auto written = write_file_durably(file, pem(fresh.get()), 0644); !written) {
    return written.error();
  }
  return fresh;
}

Outcome make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return error_from_errno("could not make " + directory.string(), error.value());
  if (::chmod(directory.c_str(), 0700) != 0) {
    return error_from_errno("could not set the mode of " + directory.string(), errno);
  }
  return {};
}

}  // namespace

CertificateFiles certificate_files(const fs::path& state_directory) {
  const fs::path tls = state_directory / "tls";
  return {tls / "ca.crt", tls / "server.crt", tls / "server.key", tls / "client.crt",
          tls / "client.key"};
}

Outcome issue_certificates(const Secret& secret, const CertificateRequest& request,
                           const fs::path& state_directory, std::time_t now) {
  const CertificateFiles files = certificate_files(state_directory);
  if (auto made = make_directory(files.authority.parent_path()); !made) return made;
  const Key signer = authority_key(secret, request.cluster);
  const auto authority = kept_authority(files.authority, signer.get(), request.cluster);
  if (!authority) return authority.error();
  Leaf server{request.node, {"localhost", "127.0.0.1", "::1"}};
  server.names.insert(request.names.begin(), request.names.end());
  for (const auto& [leaf, file, key_file] :
       {std::tuple{server, files.server, files.server_key},
        std::tuple{Leaf{client_name, {}}, files.client, files.client_key}}) {
    const auto key = kept_key(key_file);
    if (!key) return key.error();
    const std::string text =
        leaf_certificate(leaf, key->get(), authority->get(), signer.get(), now);
    if (auto written = write_file_durably(file, text, 0600); !written) return written;
  }
  return {};
}

std::optional<std::time_t> end_of_certificate(const fs::path& file) {
  const auto found = read_file_if_present(file, 64U << 10U);
  if (!found || !*found) return std::nullopt;
  const Bio memory(BIO_new_mem_buf((*found)->data(), static_cast<int>((*found)->size())));
  const Certificate read(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  std::tm end{};
  if (!read || ASN1_TIME_to_tm(X509_get0_notAfter(read.get()), &end) != 1) return std::nullopt;
  return ::timegm(&end);
}

bool certificates_are_due(const fs::path& state_directory, std::time_t now) {
  const CertificateFiles files = certificate_files(state_directory);
  struct stat found {};
  for (const fs::path* file : {&files.authority, &files.server_key, &files.client_key}) {
    if (::stat(file->c_str(), &found) != 0) return true;
  }
  for (const fs::path* file : {&files.server, &files.client}) {
    if (::stat(file->c_str(), &found) != 0) return true;
    const std::time_t age = now - found.st_mtime;
    if (age > renew_after_s || age < -clock_slack_s) return true;
  }
  return false;
}

}  // namespace evergres::net
