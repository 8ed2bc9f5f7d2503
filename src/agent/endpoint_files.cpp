#include "agent/endpoint_files.hpp"

#include <unistd.h>

#include <ctime>

#include "base/file.hpp"
#include "net/secret.hpp"
#include "supervisor/client.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::agent {
namespace {

constexpr Millis look_interval{3'600'000};
constexpr const char* superuser = "postgres";

std::filesystem::path rules_file(const config::NodeSettings& settings) {
  return settings.state_directory / "proxy_hba.conf";
}

/// Not every supervisor knows the second request: one that began before there were endpoints.
Outcome reload_both(const config::NodeSettings& settings) {
  auto client =
      supervisor::Client::connect(supervisor::socket_path(settings.run_directory), Millis{1000});
  if (!client) return client.error();
  // A server that does not run reads them when it starts.
  [[maybe_unused]] const auto postgres = client->ask(supervisor::AskReload{}, Millis{2000});
  const auto endpoint = client->ask(supervisor::AskReloadProxy{}, Millis{2000});
  if (!endpoint && settings.proxy.enabled) return endpoint.error();
  return {};
}

}  // namespace

Outcome issue_certificates(const config::NodeSettings& settings) {
  const auto secret = net::load_secret(settings.secret_file);
  if (!secret) return secret.error();
  net::CertificateRequest request;
  request.cluster = settings.cluster;
  request.node = settings.node.value;
  request.names = settings.proxy.tls_names;
  for (const std::string& host :
       {settings.postgres_host, settings.peer_host, settings.proxy.host}) {
    if (host != "0.0.0.0" && host != "::") request.names.push_back(host);
  }
  return net::issue_certificates(*secret, request, settings.state_directory, ::time(nullptr));
}

Outcome CertificateKeeper::look() {
  const Instant now = boot_now();
  if (looked_at_.nanos != 0 && now - looked_at_ < look_interval) return {};
  looked_at_ = now;
  if (!net::certificates_are_due(settings_.state_directory, ::time(nullptr))) return {};
  if (auto issued = issue_certificates(settings_); !issued) return issued;
  return reload_both(settings_);
}

std::optional<net::CertificateFiles> usable_certificates(
    const std::filesystem::path& state_directory) {
  net::CertificateFiles files = net::certificate_files(state_directory);
  for (const auto* file : {&files.authority, &files.server, &files.server_key}) {
    if (::access(file->c_str(), R_OK) != 0) return std::nullopt;
  }
  return files;
}

Result<bool> write_endpoint_rules(const config::NodeSettings& settings,
                                  const std::vector<postgres::Admission>& admissions) {
  if (!settings.proxy.enabled || !settings.proxy.hba_file.empty()) return false;
  const auto rules = postgres::render_endpoint_hba(superuser, admissions);
  if (!rules) return rules.error();
  const auto written = read_file_if_present(rules_file(settings));
  if (written && *written && **written == *rules) return false;
  if (auto done = write_file_atomically(rules_file(settings), *rules, 0600); !done) {
    return done.error();
  }
  return true;
}

void tell_endpoint(Hands& hands, const std::vector<postgres::Admission>& admissions) {
  const auto changed = write_endpoint_rules(hands.setup.settings, admissions);
  std::string trouble = changed ? "" : changed.error().one_line();
  if (changed && *changed) {
    const auto told = hands.ask_supervisor(supervisor::AskReloadProxy{}, Millis{2000});
    if (!told) trouble = told.error().one_line();
  }
  if (trouble.empty()) return;
  hands.learn([trouble](Knowledge& k) { k.recent_errors.push_back(trouble); });
}

}  // namespace evergres::agent
