#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/agent_model.hpp"
#include "sim/store_model.hpp"
#include "sim/supervisor_model.hpp"
#include "sim/trace.hpp"

namespace evergres::sim {

/// A machine of the cluster with everything that runs on it.
class Machine {
 public:
  /// What the configuration of a node says.
  struct Settings {
    core::Tuning tuning;
    core::Wanted wanted;
    core::Tags tags;
  };
  Machine(const Surroundings& world, Place place, const Settings& settings);

  const Place place;
  const NodeName name;
  Process supervisor_process;
  Process agent_process;
  PostgresModel postgres;
  SupervisorModel supervisor;
  StateDirectory state;
  AgentModel agent;

  [[nodiscard]] bool powered() const { return postgres.powered; }
  /// Boots: supervisor, then agent.
  void power_on();
  /// Everything ends at once, and nobody is told. `dirty`: what was not on disk is lost.
  void power_off(bool dirty);
  /// The data directory is gone when the machine boots again, the agent's state is not.
  void lose_disk();
  void freeze();
  void thaw();
  /// SIGKILL of the agent; the supervisor starts another one.
  void kill_agent();
  /// CLOCK_BOOTTIME here.
  [[nodiscard]] Instant boot_now() const;

  std::optional<Moment> woke_at;  ///< thaw(), the last time
  std::int64_t drift_ppm = 0;
  int clogging = 0;         ///< by how many faults links of it clog
  int flapping = 0;         ///< by how many faults a link of it comes and goes
  int senders_falling = 0;  ///< by how many faults its walsenders die again and again

 private:
  void start_agent();
  void watch_agent();

  const Surroundings& world_;
  std::int64_t offset_nanos_;
  unsigned boots_ = 0;
};

}  // namespace evergres::sim
