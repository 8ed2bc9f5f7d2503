#pragma once

#include <functional>
#include <memory>
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
  Machine(const Surroundings& world, Place place, core::Tuning tuning, core::Wanted wanted);

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
  void freeze();
  void thaw();
  /// SIGKILL of the agent; the supervisor starts another one.
  void kill_agent();
  /// CLOCK_BOOTTIME here.
  [[nodiscard]] Instant boot_now() const;

  std::int64_t drift_ppm = 0;

 private:
  void start_agent();
  void watch_agent();

  const Surroundings& world_;
  std::int64_t offset_nanos_;
  unsigned boots_ = 0;
};

}  // namespace evergres::sim
