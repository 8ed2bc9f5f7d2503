#include "proxy/io/tls.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "proxy/auth/end_point.hpp"
#include "proxy/io/descriptor.hpp"

namespace evergres::proxy {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr std::size_t key_bytes = 64U << 10U;
constexpr std::string_view offer = "\x0apostgresql";

Error refused(std::string what, std::string hint = {}) {
  const char* words = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return Error(ErrorCode::data_invalid, std::move(what),
               words == nullptr ? "" : std::string("OpenSSL says: ") + words + ".",
               std::move(hint));
}

/// Nobody is asked for a passphrase: a server has no terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

/// PostgreSQL's rule (be-secure-common.c): ours alone, or root's and read by a group at most.
Outcome check_key_file(int descriptor, const std::string& file) {
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) {
    return error_from_errno("could not look at the key file " + file, errno);
  }
  if (!S_ISREG(found.st_mode)) {
    return Error(ErrorCode::data_invalid, "the key " + file + " is not a regular file");
  }
  if (found.st_uid != ::geteuid() && found.st_uid != 0) {
    return Error(ErrorCode::permission, "the key file " + file + " belongs to another user",
                 "It belongs to user id " + std::to_string(found.st_uid) + ".",
                 "Make it belong to the user that runs evergres.");
  }
  const bool of_root = found.st_uid == 0 && ::geteuid() != 0;
  if ((found.st_mode & (of_root ? 07137U : 07177U)) != 0) {
    return Error(ErrorCode::permission, "the key file " + file + " is open to others",
                 "Whoever can read it can pose as this server.", "chmod 0600 " + file);
  }
  return {};
}

Result<PrivateKey> read_key(const std::filesystem::path& path) {
  const std::string& file = path.native();
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!opened.open()) return error_from_errno("could not open the key file " + file, errno);
  if (auto fit = check_key_file(opened.number(), file); !fit) return fit.error();
  std::string text(key_bytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(opened.number(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno("could not read the key file " + file, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(size)), &BIO_free);
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr),
                 &EVP_PKEY_free);
  OPENSSL_cleanse(text.data(), text.size());
  if (key == nullptr) {
    return refused("there is no usable key in " + file,
                   "It has to be PEM and must not be protected by a passphrase.");
  }
  return key;
}

Result<std::vector<Certificate>> read_certificates(const std::filesystem::path& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  ERR_clear_error();
  const std::string& bytes = text.value();
  const Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), &BIO_free);
  std::vector<Certificate> all;
  for (;;) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr), &X509_free);
    if (next == nullptr) break;
    all.push_back(std::move(next));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (all.empty() || !at_end) return refused("there is no usable certificate in " + path.native());
  ERR_clear_error();
  return all;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_bytes, void*) {
  const auto* ours = reinterpret_cast<const unsigned char*>(offer.data());
  unsigned char* selected = nullptr;
  const int found = SSL_select_next_proto(
      &selected, length, ours, static_cast<unsigned>(offer.size()), offered, offered_bytes);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), &SSL_CTX_free);
  CHECK(context != nullptr);
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  // No client of PostgreSQL resumes sessions; a ticket would cost each login time and memory.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  // No partial writes: they go to memory, and a client may have asked for records of 512 bytes.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(raw, 1);  // a record costs one system call and not two
  SSL_CTX_set_max_send_fragment(raw, 8192);
  return context;
}

Outcome trust(SSL_CTX* context, const std::filesystem::path& authority, bool ask_clients) {
  const auto certificates = read_certificates(authority);
  if (!certificates) return certificates.error();
  for (const Certificate& certificate : certificates.value()) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1) {
      return refused("a certificate in " + authority.native() + " cannot be trusted");
    }
    if (ask_clients) SSL_CTX_add_client_CA(context, certificate.get());
  }
  // A client without a certificate may still have a password: the host rules tell.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return {};
}

/// What the other side is shown: the certificate itself.
Result<Certificate> show(SSL_CTX* context, const std::filesystem::path& certificate,
                         const std::filesystem::path& key_file) {
  auto chain = read_certificates(certificate);
  if (!chain) return chain.error();
  const auto key = read_key(key_file);
  if (!key) return key.error();
  const std::string& file = certificate.native();
  X509* own = chain.value().front().get();
  if (SSL_CTX_use_certificate(context, own) != 1) {
    return refused("the certificate in " + file + " cannot be used");
  }
  for (auto next = chain.value().begin() + 1; next != chain.value().end(); ++next) {
    if (SSL_CTX_add1_chain_cert(context, next->get()) != 1) {
      return refused("the chain in " + file + " cannot be used");
    }
  }
  if (X509_check_private_key(own, key.value().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.value().get()) != 1) {
    return refused("the key " + key_file.native() + " does not belong to the certificate " + file);
  }
  return std::move(chain.value().front());
}

std::optional<std::string> binding_of(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return std::nullopt;
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &at);
  return end_point_hash(der);
}

}  // namespace

Result<TlsContext> TlsContext::for_clients(const ServerFiles& files) {
  TlsContext made;
  made.native_ = make_context(TLS_server_method());
  SSL_CTX* context = made.native();
  auto own = show(context, files.certificate, files.key);
  if (!own) return own.error();
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
  if (!files.client_authority.empty()) {
    if (auto trusted = trust(context, files.client_authority, true); !trusted) {
      return trusted.error();
    }
    made.verify_ = Verify::authority;
  }
  made.binding_ = binding_of(own->get());
  return made;
}

Result<TlsContext> TlsContext::for_servers(Verify verify, const std::filesystem::path& authority,
                                           const OwnFiles& own) {
  TlsContext made;
  made.native_ = make_context(TLS_client_method());
  made.verify_ = verify;
  if (!own.certificate.empty()) {
    if (auto shown = show(made.native(), own.certificate, own.key); !shown) return shown.error();
  }
  if (verify == Verify::nothing) {
    SSL_CTX_set_verify(made.native(), SSL_VERIFY_NONE, nullptr);
    return made;
  }
  if (auto trusted = trust(made.native(), authority, false); !trusted) return trusted.error();
  return made;
}

}  // namespace evergres::proxy
