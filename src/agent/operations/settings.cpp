#include "agent/endpoint_files.hpp"
#include "agent/operations/operation.hpp"
#include "base/file.hpp"
#include "postgres/look_again.hpp"
#include "postgres/pending.hpp"

namespace evergres::agent {
namespace {

Result<std::string> loaded_at(const postgres::Server& server, Instant deadline) {
  auto session = postgres::Session::connect(server, {}, deadline);
  if (!session) return session.error();
  auto rows = session->query("select pg_conf_load_time()::text", deadline);
  if (!rows) return rows.error();
  if (rows->empty()) return Error(ErrorCode::data_invalid, "PostgreSQL has no load time");
  return rows->front().front().value_or("");
}

/// Whether this generation, or one that this node did not see, takes back what was altered.
bool takes_back(const KnownSettings& known, const cluster::Spec& spec) {
  return spec.reverted > 0 && (!known.applied || known.applied->generation < spec.reverted);
}

/// All files, with what ALTER SYSTEM left in them if it is younger than the last taking back.
Outcome write_files(Hands& hands, const cluster::Spec& spec,
                    const postgres::Configuration& configuration) {
  const auto& server = hands.server();
  const auto gate =
      hands.situation().server.gate_open ? postgres::Gate::open : postgres::Gate::closed;
  if (auto written = postgres::write_gate(server, server.data, gate, configuration.member_hosts,
                                          configuration.admissions, configuration.endpoints);
      !written) {
    return written;
  }
  tell_endpoint(hands, configuration.admissions);
  const std::string text = postgres::render_settings(server, configuration);
  if (auto written = write_file_atomically(server.data / "postgresql.conf", text, 0600); !written)
    return written;
  return postgres::write_safety(server, configuration.safety,
                                takes_back(hands.known.settings, spec)
                                    ? postgres::Altered::take_back
                                    : postgres::Altered::keep);
}

/// What this node cannot take is not tried again; the next generation is.
Error refuse(Hands& hands, std::uint64_t generation, const Error& why) {
  hands.learn([generation, text = why.one_line()](Knowledge& k) {
    k.settings.refused = generation;
    k.settings.refusal =
        "generation " + std::to_string(generation) + " of the settings was not taken: " + text;
  });
  return why;
}

}  // namespace

postgres::Configuration configuration_for_start(Hands& hands, const std::string& names) {
  postgres::Configuration configuration = hands.configuration(names);
  const auto& known = hands.known.settings;
  if (!known.newest || (known.applied && *known.applied == *known.newest)) return configuration;
  postgres::Configuration newest = configuration;
  newest.cluster_parameters.clear();
  newest.admissions.clear();
  fill_in(newest, known.newest.get());
  if (postgres::check_parameters(newest.cluster_parameters, hands.setup.major)) {
    const auto fits =
        postgres::try_configuration(hands.server(), newest, boot_now() + sql_deadline);
    if (fits || fits.error().code() != ErrorCode::config_invalid) return newest;
  }
  // Those that ran here before go on; what was never tried does not keep the server down.
  if (!known.applied) configuration.cluster_parameters.clear();
  return configuration;
}

Outcome reload_postgres(Hands& hands) {
  const Instant deadline = boot_now() + sql_deadline;
  const auto before = loaded_at(hands.server(), deadline);
  if (!before) return before.error();
  auto asked = hands.ask_supervisor(supervisor::AskReload{}, Millis{2000});
  if (!asked) return asked.error();
  for (;;) {
    const auto now = loaded_at(hands.server(), deadline);
    if (!now) return now.error();
    if (*now != *before) return {};
    if (boot_now() >= deadline || hands.stopped()) {
      return Error(ErrorCode::timed_out, "PostgreSQL did not read its files again",
                   "It was told to, and its load time is still " + *before + ".");
    }
    postgres::look_again_after(Millis{10});
  }
}

Outcome carry_out(const core::ApplySettings& intent, Hands& hands) {
  const auto spec = hands.known.settings.newest;
  const auto names = expected_names(hands.situation());
  if (!spec || spec->generation != intent.generation || !names) {
    return Error(ErrorCode::conflict, "newer settings or a policy change came between");
  }
  postgres::Configuration configuration = hands.configuration(*names);
  configuration.cluster_parameters.clear();
  configuration.admissions.clear();
  fill_in(configuration, spec.get());
  if (auto fits = postgres::check_parameters(configuration.cluster_parameters, hands.setup.major);
      !fits) {
    return refuse(hands, spec->generation, fits.error());
  }
  if (auto fits =
          postgres::try_configuration(hands.server(), configuration, boot_now() + sql_deadline);
      !fits) {
    return fits.error().code() == ErrorCode::config_invalid
               ? refuse(hands, spec->generation, fits.error())
               : fits.error();
  }
  if (auto written = write_files(hands, *spec, configuration); !written) return written;
  if (auto reloaded = reload_postgres(hands); !reloaded) return reloaded;
  if (auto kept = write_settings_file(hands.setup.settings.state_directory, *spec); !kept)
    return kept;
  std::vector<PendingSetting> pending;
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  auto waiting = postgres::pending_changes(*session, boot_now() + sql_deadline);
  if (!waiting) return waiting.error();
  for (const auto& change : *waiting) pending.push_back({change.name, change.now, change.then});
  const bool take_back = takes_back(hands.known.settings, *spec);
  hands.learn([spec, pending, take_back, hosts = configuration.member_hosts](Knowledge& k) {
    if (take_back) k.settings.altered.clear();
    k.settings.applied = spec;
    k.settings.pending_restart = pending;
    k.settings.edited.clear();
    k.server_changed_at = boot_now();
    k.gate_hosts = hosts;
  });
  return {};
}

}  // namespace evergres::agent
