#include "proxy/io/tls_session.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace evergres::proxy {
namespace {

constexpr std::size_t record_bytes = 8192;
constexpr std::size_t sealed_at_once = 64U << 10U;
constexpr std::size_t answers_at_most = 1U << 20U;
constexpr std::string_view protocol_name = "postgresql";

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

/// Ours, and not BIO_new_socket(): that one writes record by record, and with SIGPIPE.
struct Stream::Tls::Bio {
  static int write(BIO*, const char* bytes, int count) {
    sealed().append(bytes, static_cast<std::size_t>(count));
    return count;
  }

  static int read(BIO* bio, char* bytes, int count) {
    BIO_clear_retry_flags(bio);
    auto& tls = *static_cast<Tls*>(BIO_get_data(bio));
    ssize_t got = -1;
    errno = EAGAIN;
    while (!tls.drained) {
      got = ::recv(tls.descriptor, bytes, static_cast<std::size_t>(count), MSG_DONTWAIT);
      if (got >= 0 || errno != EINTR) break;
    }
    if (got < count && !(tls.hung_up && got > 0)) tls.drained = true;
    tls.ended = tls.ended || got == 0;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
    return static_cast<int>(got);
  }

  static long control(BIO* bio, int what, long, void*) {
    if (what == BIO_CTRL_EOF) return static_cast<Tls*>(BIO_get_data(bio))->ended ? 1 : 0;
    return what == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* make() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    CHECK(method != nullptr);
    BIO_meth_set_write(method, &write);
    BIO_meth_set_read(method, &read);
    BIO_meth_set_ctrl(method, &control);
    return method;
  }
};

Stream::Tls::Tls(const TlsContext& with, int socket)
    : context(with), ssl(SSL_new(with.native()), &SSL_free), descriptor(socket) {
  static BIO_METHOD* const method = Bio::make();
  BIO* bio = BIO_new(method);
  CHECK(ssl != nullptr && bio != nullptr);  // only memory can lack
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
}

std::string& Stream::Tls::sealed() {
  thread_local std::string bytes;
  return bytes;
}

void Stream::Tls::start(bool ends) {
  ERR_clear_error();
  errno = 0;
  drained = false;
  hung_up = ends;
}

void Stream::Tls::end() {
  done = false;
  ssl.reset();
}

Stream::Handshake Stream::Tls::fail(std::string why) {
  if (problem.empty()) problem = "The TLS handshake failed: " + why + ".";
  return Handshake::failed;
}

void Stream::accept_tls(const TlsContext& context) {
  CHECK(tls_ == nullptr && unsent() == 0);
  tls_ = std::make_unique<Tls>(context, socket_.number());
  SSL_set_accept_state(tls_->ssl.get());
}

void Stream::connect_tls(const TlsContext& context, const std::string& host) {
  CHECK(tls_ == nullptr && unsent() == 0);
  tls_ = std::make_unique<Tls>(context, socket_.number());
  SSL* ssl = tls_->ssl.get();
  SSL_set_connect_state(ssl);
  const std::string offer = static_cast<char>(protocol_name.size()) + std::string(protocol_name);
  bool fits = SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(offer.data()),
                                  static_cast<unsigned>(offer.size())) == 0;
  const bool address = is_address(host);
  if (!address && !host.empty()) {
    // What SSL_set_tlsext_host_name() is, but for a cast of the old style.
    fits = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    const_cast<char*>(host.c_str())) == 1 &&
           fits;
  }
  if (context.verify() == TlsContext::Verify::authority_and_name) {
    X509_VERIFY_PARAM* names = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(names, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // An empty name would switch the check off.
    const int set = host.empty() ? 0
                    : address    ? X509_VERIFY_PARAM_set1_ip_asc(names, host.c_str())
                                 : X509_VERIFY_PARAM_set1_host(names, host.data(), host.size());
    fits = set == 1 && fits;
  }
  if (!fits) tls_->fail("the host's name cannot be verified");
}

Stream::Handshake Stream::handshake() {
  CHECK(tls_ != nullptr);
  if (tls_->done) return Handshake::done;
  if (!tls_->problem.empty()) return Handshake::failed;
  if (!flush()) return tls_->fail("the connection broke");
  tls_->start(hung_up_);
  const int result = SSL_do_handshake(tls_->ssl.get());
  const int errno_value = errno;
  const int kind = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls_->ssl.get(), result);
  const unsigned long error = ERR_peek_last_error();
  const bool sent = send_sealed();  // also the alert that tells the other side why
  if (result == 1) {
    tls_->done = true;
    return Handshake::done;
  }
  if (kind == SSL_ERROR_WANT_READ && sent) return Handshake::going_on;
  if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long verified = SSL_get_verify_result(tls_->ssl.get());
    return tls_->fail(std::string("the other side's certificate is refused, ") +
                      X509_verify_cert_error_string(verified));
  }
  if (tls_->ended && (error == 0 || ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    return tls_->fail("the other side ended the connection");
  }
  // OpenSSL's words are fixed: they quote nothing of ours or theirs.
  const char* words = error == 0 ? nullptr : ERR_reason_error_string(error);
  if (words != nullptr) return tls_->fail(words);
  return tls_->fail(errno_value == 0 || !sent ? "the connection broke"
                                              : std::strerror(errno_value));
}

std::string Stream::handshake_problem() const {
  return tls_ ? tls_->problem : "";
}

/// Sends what OpenSSL has written, behind what is kept.
bool Stream::send_sealed() {
  std::string& sealed = Tls::sealed();
  std::size_t sent = 0;
  if (!broken_ && unsent() == 0 && !sealed.empty()) {
    const std::string_view all = sealed;
    sent = send_parts(std::span(&all, 1));
  }
  if (!broken_) keep(std::string_view(sealed).substr(sent));
  sealed.clear();
  if (sealed.capacity() > 4 * sealed_at_once) sealed.shrink_to_fit();
  return !broken_;
}

bool Stream::write_sealed(std::span<const std::string_view> parts) {
  if (!tls_->done) return false;
  thread_local std::array<char, record_bytes> record;
  std::size_t filled = 0;
  const auto seal = [this](const char* bytes, std::size_t count) {
    if (broken_) return;
    ERR_clear_error();
    std::size_t written = 0;
    // Into memory: all or nothing, and nothing only if the session is over.
    if (SSL_write_ex(tls_->ssl.get(), bytes, count, &written) != 1) break_off();
    if (Tls::sealed().size() >= sealed_at_once) send_sealed();
  };
  for (std::string_view part : parts) {
    while (!part.empty()) {
      if (filled == 0 && part.size() >= record_bytes) {
        seal(part.data(), record_bytes);
        part.remove_prefix(record_bytes);
        continue;
      }
      const std::size_t taken = std::min(part.size(), record_bytes - filled);
      std::memcpy(record.data() + filled, part.data(), taken);
      part.remove_prefix(taken);
      filled += taken;
      if (filled < record_bytes) continue;
      seal(record.data(), filled);
      filled = 0;
    }
  }
  if (filled > 0) seal(record.data(), filled);
  return send_sealed();
}

Stream::Got Stream::read_sealed(std::span<char> into) {
  if (!tls_->done) return {.closed = broken_ || !tls_->problem.empty()};
  SSL* ssl = tls_->ssl.get();
  Got got;
  tls_->start(hung_up_);
  while (got.bytes < into.size()) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl, into.data() + got.bytes, into.size() - got.bytes, &count);
    got.bytes += count;
    if (result == 1) continue;
    const int kind = SSL_get_error(ssl, result);
    got.closed = kind != SSL_ERROR_WANT_READ;
    if (got.closed && kind != SSL_ERROR_ZERO_RETURN) {
      send_sealed();  // the alert
      break_off();
    }
    break;
  }
  // A read that could not be filled has emptied the socket and OpenSSL.
  got.more = got.bytes == into.size() && (!tls_->drained || SSL_has_pending(ssl) == 1);
  if (!Tls::sealed().empty()) {  // a warning: no renegotiation
    send_sealed();
    if (unsent() > answers_at_most) {  // it asks and does not read
      break_off();
      got = {.bytes = got.bytes, .closed = true};
    }
  }
  return got;
}

void Stream::say_goodbye() {
  if (!tls_->done) return;
  ERR_clear_error();
  SSL_shutdown(tls_->ssl.get());
  send_sealed();
}

std::string_view Stream::tls_version() const {
  return tls_ && tls_->done ? SSL_get_version(tls_->ssl.get()) : std::string_view();
}

bool Stream::agreed_on_postgresql() const {
  if (!tls_ || !tls_->done) return false;
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(tls_->ssl.get(), &name, &length);
  return std::string_view(reinterpret_cast<const char*>(name), length) == protocol_name;
}

std::optional<std::string> Stream::peer_certificate() const {
  if (!tls_ || !tls_->done) return std::nullopt;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(tls_->ssl.get()), &X509_free);
  if (certificate == nullptr) return std::nullopt;
  const int size = i2d_X509(certificate.get(), nullptr);
  if (size <= 0) return std::nullopt;
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate.get(), &at);
  return der;
}

}  // namespace evergres::proxy
