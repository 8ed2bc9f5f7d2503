#include "net/secret.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "base/names.hpp"

namespace evergres::net {
namespace {

constexpr std::size_t min_secret_bytes = 16;
constexpr std::size_t max_secret_bytes = 4096;

class Descriptor {
 public:
  explicit Descriptor(int raw) : raw_(raw) {}
  ~Descriptor() {
    if (raw_ >= 0) ::close(raw_);
  }
  Descriptor(Descriptor&&) = delete;
  [[nodiscard]] int get() const { return raw_; }

 private:
  int raw_;
};

Outcome check_file(int descriptor, const std::filesystem::path& file) {
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) {
    return error_from_errno("could not look at the secret file " + file.native(), errno);
  }
  if (!S_ISREG(found.st_mode)) {
    return Error(ErrorCode::data_invalid, "the secret " + file.native() + " is not a regular file");
  }
  if ((found.st_mode & 07177U) != 0) {
    return Error(ErrorCode::permission, "the secret file " + file.native() + " is open to others",
                 "Whoever can read it can command the whole cluster.",
                 "chmod 0600 " + file.native());
  }
  if (found.st_uid != ::geteuid() && found.st_uid != 0) {
    return Error(ErrorCode::permission,
                 "the secret file " + file.native() + " belongs to another user",
                 "It belongs to user id " + std::to_string(found.st_uid) + ".",
                 "Make it belong to the user that runs evergres.");
  }
  return {};
}

Outcome write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error_from_errno("could not write the secret file", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(descriptor) != 0) return error_from_errno("could not sync the secret file", errno);
  return {};
}

}  // namespace

Result<Secret> load_secret(const std::filesystem::path& file) {
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.get() < 0) {
    const Error raw = error_from_errno("could not open the secret file " + file.native(), errno);
    return Error(raw.code(), raw.message(), "",
                 "evergres init makes one; copy that to every node, with mode 0600.");
  }
  if (auto fit = check_file(opened.get(), file); !fit) return fit.error();
  std::string text(max_secret_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(opened.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno("could not read the secret file " + file.native(), errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  const bool too_long = size > max_secret_bytes;
  text.resize(size);
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  if (too_long || text.size() < min_secret_bytes) {
    return Error(ErrorCode::data_invalid,
                 "the secret in " + file.native() + (too_long ? " is too long" : " is too short"),
                 "A secret has 16 to 4096 bytes.", "Make a new one: openssl rand -hex 32");
  }
  return Secret(std::move(text));
}

Result<Secret> create_secret(const std::filesystem::path& file) {
  const int raw = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const Descriptor opened(raw);
  if (raw < 0) return error_from_errno("could not make the secret file " + file.native(), errno);
  std::string text = random_hex(32);
  auto written = write_all(raw, text + "\n");
  if (written && ::fchmod(raw, 0600) != 0) {  // a umask may have taken the owner's rights away
    written = error_from_errno("could not set the mode of the secret file", errno);
  }
  const auto directory = file.parent_path();
  if (written) written = sync_directory(directory.empty() ? "." : directory);
  if (!written) {
    ::unlink(file.c_str());
    return written.error();
  }
  return Secret(std::move(text));
}

Mac hmac_sha256(std::string_view key, std::string_view text) {
  Mac mac{};
  unsigned int size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const unsigned char nothing = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          text.empty() ? &nothing : bytes, text.size(), mac.data(), &size);
  CHECK(made != nullptr && size == mac.size());
  return mac;
}

std::string derived_password(const Secret& secret, std::string_view purpose) {
  const Mac mac = hmac_sha256(secret.value, purpose);
  std::string text = base64({reinterpret_cast<const char*>(mac.data()), mac.size()});
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Secret watch_secret(const Secret& cluster_secret) {
  return Secret(derived_password(cluster_secret, "evergres watch"));
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool same_bytes(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace evergres::net
