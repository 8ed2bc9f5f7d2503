#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "agent/agent.hpp"
#include "api/service.hpp"
#include "cli/command_line.hpp"
#include "postgres/versions.hpp"
#include "proxy/alone.hpp"
#include "proxy/configured.hpp"
#include "proxy/run.hpp"
#include "supervisor/keeper.hpp"

/// Wiring: the only place that knows everything.
namespace {

using evergres::config::NodeSettings;

int run_node(const std::filesystem::path& config_file, const NodeSettings& settings) {
  if (auto possible = evergres::agent::preflight(settings); !possible) {
    std::fputs(possible.error().for_people().c_str(), stderr);
    return evergres::error_code_info(possible.error().code()).exit_status;
  }
  auto bin = settings.bin_directory;
  if (bin.empty()) {
    auto found = evergres::postgres::find_bin_directory();
    if (found) bin = *found;
  }
  evergres::supervisor::Settings supervised;
  supervised.data_directory = settings.data_directory;
  supervised.state_directory = settings.state_directory;
  supervised.run_directory = settings.run_directory;
  supervised.log_directory = settings.state_directory / "log";
  supervised.postgres_program = bin / "postgres";
  supervised.agent_argv = {"evergres", "-c", config_file.string(), "agent"};
  if (settings.proxy.enabled) {
    supervised.proxy_argv = {"evergres", "-c", config_file.string(), "proxy"};
  }
  supervised.silent_agent_limit = 2 * settings.grant_length;
  return evergres::supervisor::run_keeper(supervised);
}

int run_agent(const std::filesystem::path& config_file, const NodeSettings& settings,
              const std::vector<std::string>&) {
  ::unsetenv("GNUTLS_NO_IMPLICIT_INIT");  // for this process only, see supervisor/service.cpp
  auto log = spdlog::stderr_logger_mt("agent");
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e%z agent: %l: %v");
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(log);
  return evergres::agent::run_agent(settings,
                                    evergres::api::http_service(settings, EVERGRES_VERSION, config_file));
}

/// libpq takes what it is not told from PG… variables: a file says everything here.
void forget_libpq_variables() {
  std::vector<std::string> names;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("PG")) names.push_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

int run_proxy(const std::filesystem::path& config_file, const NodeSettings& settings) {
  ::unsetenv("GNUTLS_NO_IMPLICIT_INIT");
  forget_libpq_variables();
  auto log = spdlog::stderr_logger_mt("proxy");
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e%z proxy: %l: %v");
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(log);
  const auto told = [](const evergres::Error& error) {
    std::fputs(error.for_people().c_str(), stderr);
    return evergres::error_code_info(error.code()).exit_status;
  };
  evergres::proxy::RunPlan plan;
  if (settings.proxy.alone()) {
    plan.keep_files = [settings] { return evergres::proxy::keep_files_alone(settings); };
    if (const auto kept = plan.keep_files(); !kept) return told(kept.error());
  }
  auto configured = evergres::proxy::configured(settings, config_file);
  if (!configured) return told(configured.error());
  plan.settings = settings;
  plan.configuration = *configured;
  plan.version = EVERGRES_VERSION;
  plan.read_again = [config_file, settings] {
    return evergres::proxy::read_again(config_file, settings);
  };
  evergres::proxy::RunHooks hooks;
  hooks.say = [log](evergres::proxy::Loudness loudness, const std::string& text) {
    const bool warns = loudness == evergres::proxy::Loudness::warning;
    log->log(warns ? spdlog::level::warn : spdlog::level::info, text);
  };
  return evergres::proxy::run_proxy(std::move(plan), std::move(hooks));
}

}  // namespace

int main(int argc, char** argv) {
  evergres::cli::Wiring wiring;
  wiring.version = EVERGRES_VERSION;
  wiring.run = run_node;
  wiring.agent = run_agent;
  wiring.proxy = run_proxy;
  return evergres::cli::run_command_line(argc, argv, wiring);
}
