#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/nemesis.hpp"
#include "sim/task.hpp"

namespace evergres::sim {

/// Where a scene is played: it waits for what the cluster decides and does, and lets faults begin
/// at that moment. What it begins are faults of fault_kinds() like any other.
class Stage {
 public:
  explicit Stage(World& in_world) : world(in_world), run_(std::make_shared<int>(0)) {}

  World& world;

  [[nodiscard]] Answered<int> pause(Nanos least, Nanos most);
  /// Until one of these nodes decides to begin an operation of this kind, or ends one; nothing if
  /// that does not come in time. Seen a moment after it happened, before its next step.
  [[nodiscard]] Answered<std::optional<Place>> decided(std::string_view kind, std::vector<Place> by,
                                                       Nanos patience);
  [[nodiscard]] Answered<std::optional<Place>> ended(std::string_view kind, std::vector<Place> by,
                                                     Nanos patience);
  /// Until `condition` holds; whether it came in time.
  Task<bool> until(std::function<bool()> condition, Nanos patience);

  /// `b`: the other machine, if the fault has one. It ends by itself, or by end().
  std::size_t begin(std::string_view fault, Place a, Nanos lasts, std::optional<Place> b = {});
  void end(std::size_t fault);
  [[nodiscard]] bool chance(std::uint32_t permille);
  [[nodiscard]] std::uint32_t below(std::uint32_t limit);
  [[nodiscard]] Nanos between(Nanos least, Nanos most);

  [[nodiscard]] std::optional<core::Record> record() const;
  /// Who leads by the record, if it is open.
  [[nodiscard]] std::optional<Place> leader() const;
  [[nodiscard]] std::vector<Place> voters() const;
  [[nodiscard]] std::vector<Place> all() const;
  [[nodiscard]] std::vector<Place> all_but(Place one, std::optional<Place> another = {}) const;
  /// One of them; `many` is not empty.
  [[nodiscard]] Place any_of(const std::vector<Place>& many);

  // For the world.
  void note(Place node, const std::string& kind, bool is_end);

 private:
  struct Wish {
    std::string kind;
    bool is_end = false;
    std::vector<Place> by;
    Answered<std::optional<Place>>::Reply reply;
  };
  Answered<std::optional<Place>> wait_for(const Wish& wish, Nanos patience);

  std::shared_ptr<int> run_;
  std::optional<Wish> wish_;
};

/// A course of events that breaks a protocol which lacks one rule: the executions of
/// protocol-review.md, each as a sequence of faults that wait for the right moment.
struct Scene {
  std::string_view name;
  Task<int> (*play)(Stage& stage);
};
std::span<const Scene> scenes();
/// One of the chosen after the other, until nobody wants to see more.
Task<int> play(Stage& stage, std::vector<std::size_t> chosen);

}  // namespace evergres::sim
