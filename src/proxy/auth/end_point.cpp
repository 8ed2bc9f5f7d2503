#include "proxy/auth/end_point.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

namespace evergres::proxy {

std::optional<std::string> end_point_hash(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())), &X509_free);
  if (certificate == nullptr || at != end) return std::nullopt;
  int digest = NID_undef;
  // Not the id of the signature's algorithm: with RSA-PSS that does not tell the hash function.
  if (X509_get_signature_info(certificate.get(), &digest, nullptr, nullptr, nullptr) != 1 ||
      digest == NID_undef) {
    return std::nullopt;
  }
  const EVP_MD* hash = digest == NID_md5 || digest == NID_sha1
                           ? EVP_sha256()
                           : EVP_get_digestbyname(OBJ_nid2sn(digest));
  if (hash == nullptr) return std::nullopt;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int length = 0;
  if (X509_digest(certificate.get(), hash, bytes.data(), &length) != 1) return std::nullopt;
  return std::string(bytes.data(), bytes.data() + length);
}

}  // namespace evergres::proxy
