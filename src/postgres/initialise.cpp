#include "postgres/initialise.hpp"

#include <unistd.h>

#include <system_error>

#include "net/process.hpp"
#include "net/secret.hpp"
#include "postgres/auth_role.hpp"
#include "postgres/control_file.hpp"
#include "postgres/credentials.hpp"
#include "postgres/data_directory.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view finished_mark = "evergres finished";

std::string identifier(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text.push_back(c);
    text.push_back(c);
  }
  return text + "\"";
}

/// Statements of `postgres --single -j` end with ";\n\n".
void add(std::string& script, const std::string& statement) {
  script += statement + ";\n\n";
}

bool is_name(const std::string& name) {
  if (name.empty() || name.size() > 63 || name.starts_with("pg_")) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < ' ') return false;
  }
  return true;
}

/// What pg_rewind needs without a superuser (its manual page, section Notes).
void add_replication_role(std::string& script, const std::string& verifier) {
  const std::string role = replication_role;
  add(script, "CREATE ROLE " + role + " LOGIN REPLICATION PASSWORD '" + verifier + "'");
  for (const char* function :
       {"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
        "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"}) {
    add(script, std::string("GRANT EXECUTE ON FUNCTION pg_catalog.") + function + " TO " + role);
  }
}

Outcome add_application(std::string& script, const Server& server, const Application& application) {
  const bool taken = application.role == server.superuser || application.role == replication_role ||
                     application.role == net::auth_role || application.database == "postgres" ||
                     application.database.starts_with("template");
  if (!is_name(application.role) || !is_name(application.database) || taken) {
    return Error(ErrorCode::config_invalid, "the application role or database cannot be created",
                 "A name is empty, too long, reserved or already used by PostgreSQL or Evergres.",
                 "Choose other names.");
  }
  const auto verifier = scram_verifier(application.password);
  if (!verifier) return verifier.error();
  const std::string role = identifier(application.role);
  add(script, "CREATE ROLE " + role + " LOGIN PASSWORD '" + *verifier + "'");
  add(script, "CREATE DATABASE " + identifier(application.database) + " OWNER " + role);
  return {};
}

Result<std::string> script_of(const Server& server, const InitialiseRequest& request) {
  const auto verifier = scram_verifier(server.replication_password);
  if (!verifier) return verifier.error();
  std::string script;
  add_replication_role(script, *verifier);
  if (!server.auth_password.empty()) {
    const auto auth = scram_verifier(server.auth_password);
    if (!auth) return auth.error();
    for (const std::string& statement : auth_role_statements(*auth)) add(script, statement);
  }
  if (request.application) {
    if (auto added = add_application(script, server, *request.application); !added) {
      return added.error();
    }
  }
  add(script, "SELECT '" + std::string(finished_mark) + "' AS said");
  return script;
}

Outcome run_initdb(const Server& server, std::vector<std::string> arguments,
                   const fs::path& directory, Instant deadline, const std::stop_token& stop) {
  arguments.push_back("--pgdata=" + directory.string());
  const net::Command command{server.program("initdb"), std::move(arguments), {}, {}, {}};
  const auto exit = net::run(command, deadline, stop);
  if (!exit) return exit.error();
  if (exit->success()) return {};
  return Error(ErrorCode::postgres_failed, "initdb failed", exit->error_text(),
               "Look at the detail; nothing was created.");
}

/// The single-user server reports errors and goes on, with status 0: the output tells.
Outcome run_script(const Server& server, const std::string& script, const fs::path& directory,
                   Instant deadline, const std::stop_token& stop) {
  bool finished = false;
  std::string trouble;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    if (stream == net::Stream::output && line.find("said = \"") != std::string_view::npos &&
        line.find(finished_mark) != std::string_view::npos) {
      finished = true;
    }
    for (const std::string_view word : {"ERROR:", "FATAL:", "PANIC:"}) {
      const auto at = line.find(word);
      if (stream == net::Stream::errors && at != std::string_view::npos && trouble.empty()) {
        trouble = line.substr(at);
      }
    }
  };
  const net::Command command{
      server.program("postgres"),
      {"--single", "-j", "-D", directory.string(), "-c", "synchronous_commit=local", "-c",
       "log_statement=none", "-c", "log_min_error_statement=panic", "-c", "log_checkpoints=off",
       "postgres"},
      {{"PGUSER", server.superuser}, {"PGOPTIONS", ""}},
      {},
      script};
  const auto exit = net::run(command, deadline, stop, on_line);
  if (!exit) return exit.error();
  if (exit->success() && finished && trouble.empty()) return {};
  return Error(ErrorCode::postgres_failed, "could not create the roles of the new cluster",
               trouble.empty() ? exit->error_text() : trouble,
               "Look at the parameters of the configuration; nothing was created.");
}

Result<Initialised> build(const Server& server, const InitialiseRequest& request,
                          const std::string& script, const fs::path& directory, Instant deadline,
                          const std::stop_token& stop) {
  auto made = run_initdb(
      server,
      {"--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--username=" + server.superuser,
       "--auth-local=peer", "--auth-host=scram-sha-256", "--no-sync"},
      directory, deadline, stop);
  if (!made) return made.error();
  auto configured =
      write_configuration(server, directory, request.configuration, Gate::closed, request.major);
  if (!configured) return configured.error();
  auto ran = run_script(server, script, directory, deadline, stop);
  if (!ran) return ran.error();
  auto named = replace_incarnation(directory, server.node, request.incarnation);
  if (!named) return named.error();
  auto synced = run_initdb(server, {"--sync-only"}, directory, deadline, stop);
  if (!synced) return synced.error();
  const auto control = read_control_file(server, directory, deadline);
  if (!control) return control.error();
  return Initialised{control->system_id, directory};
}

}  // namespace

Result<Initialised> initialise(const Server& server, const InitialiseRequest& request,
                               Instant deadline, const std::stop_token& stop) {
  const auto script = script_of(server, request);
  if (!script) return script.error();
  if (auto fit = check_parameters(request.configuration.parameters, request.major); !fit) {
    return fit.error();
  }
  const fs::path directory = server.beside("init-" + request.claim.value);
  if (::access(directory.c_str(), F_OK) == 0) {
    return Error(ErrorCode::already_exists, directory.string() + " exists already",
                 "Another run with the same claim may be at work there.",
                 "Remove it and try again.");
  }
  auto made = build(server, request, *script, directory, deadline, stop);
  if (!made) {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }
  return made;
}

}  // namespace evergres::postgres
