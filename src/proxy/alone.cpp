#include "proxy/alone.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <string>

#include "net/certificates.hpp"
#include "net/secret.hpp"
#include "proxy/configured.hpp"
#include "proxy/feed/external_servers.hpp"

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

constexpr std::time_t warned_before_s = 30 * 86'400;

Outcome make_private_directory(const fs::path& directory) {
  std::error_code error;
  const bool is_new = fs::create_directories(directory, error);
  if (error) return error_from_errno("could not make " + directory.string(), error.value());
  if (is_new && ::chmod(directory.c_str(), 0700) != 0) {
    return error_from_errno("could not set the mode of " + directory.string(), errno);
  }
  return {};
}

Outcome check_readable(const fs::path& path, const std::string& option, const fs::path& file) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  const Error raw = error_from_errno("could not read " + path.string(), errno);
  return Error(raw.code(), raw.message(), "It belongs to " + option + " of " + file.string() + ".",
               "`evergres proxy-config` on a node of the cluster writes a directory with all files "
               "of an endpoint.");
}

/// The secret of an authority that nobody else knows.
Result<net::Secret> own_secret(const fs::path& state_directory) {
  const fs::path file = state_directory / "authority.secret";
  if (::access(file.c_str(), F_OK) == 0) return net::load_secret(file);
  return net::create_secret(file);
}

Outcome issue_own(const config::NodeSettings& settings) {
  if (!net::certificates_are_due(settings.state_directory, ::time(nullptr))) return {};
  const auto secret = own_secret(settings.state_directory);
  if (!secret) return secret.error();
  net::CertificateRequest request;
  request.cluster = settings.cluster;
  request.node = "endpoint";
  request.names = settings.proxy.tls_names;
  const std::string& host = settings.proxy.host;
  if (host != "0.0.0.0" && host != "::" && host != "*") request.names.push_back(host);
  return net::issue_certificates(*secret, request, settings.state_directory, ::time(nullptr));
}

std::string words_about_ends(const net::CertificateFiles& files) {
  for (const fs::path* file : {&files.server, &files.client}) {
    const auto end = net::end_of_certificate(*file);
    if (!end || *end - ::time(nullptr) > warned_before_s) continue;
    const long days = (*end - ::time(nullptr)) / 86'400;
    return "the certificate " + file->string() +
           (days < 0 ? " has ended" : " ends in " + std::to_string(days) + " days") +
           ": `evergres proxy-config` on a node makes new ones";
  }
  return "";
}

}  // namespace

Outcome set_alone(Configuration& is, const config::NodeSettings& settings, const fs::path& file) {
  const config::ProxySettings& said = settings.proxy;
  const net::CertificateFiles made = net::certificate_files(settings.state_directory);
  is.hba_file = said.hba_file;
  if (said.external.empty()) {
    is.server_authority = made.authority;
    is.server_certificate = made.client;
    is.server_certificate_key = made.client_key;
    for (const fs::path& path : {made.authority, made.client, made.client_key}) {
      if (auto there = check_readable(path, "proxy.agents", file); !there) return there;
    }
    const auto watch_secret = net::load_secret(settings.secret_file);
    if (!watch_secret) return watch_secret.error();
    is.cluster_key = cluster_key(*watch_secret);
    is.auth_user = net::auth_role;
  } else {
    auto servers = read_external_servers(said.external);
    if (!servers) return servers.error().while_doing("proxy.external of " + file.string());
    is.server_authority = servers->authority;
    is.server_certificate = servers->certificate;
    is.server_certificate_key = servers->certificate_key;
    for (const fs::path& path : {is.server_authority, is.server_certificate,
                                 is.server_certificate_key}) {
      if (path.empty()) continue;
      if (auto there = check_readable(path, "proxy.external", file); !there) {
        return Error(there.error().code(), there.error().message(), there.error().detail());
      }
    }
    is.auth_user = servers->user;
    is.auth_database = servers->database;
  }
  if (said.tls && said.tls_certificate.empty()) {
    for (const fs::path& path : {made.server, made.server_key}) {
      if (auto there = check_readable(path, "proxy.tls", file); !there) return there;
    }
  }
  const auto password = net::load_secret(said.auth_password_file);
  if (!password) {
    return Error(password.error().code(), password.error().message(), "",
                 "It is proxy.auth_password_file of " + file.string() +
                     ": the password of the role " + is.auth_user + ", 16 to 4096 bytes.");
  }
  is.auth_password = password->value;
  return {};
}

Result<std::string> keep_files_alone(const config::NodeSettings& settings) {
  for (const fs::path& directory : {settings.run_directory, settings.state_directory}) {
    if (auto made = make_private_directory(directory); !made) return made.error();
  }
  const config::ProxySettings& said = settings.proxy;
  if (said.external.empty()) {
    return words_about_ends(net::certificate_files(settings.state_directory));
  }
  if (!said.tls || !said.tls_certificate.empty()) return std::string();
  if (auto issued = issue_own(settings); !issued) return issued.error();
  return std::string();
}

}  // namespace evergres::proxy
