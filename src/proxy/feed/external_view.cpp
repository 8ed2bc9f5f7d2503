#include "proxy/feed/external_view.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace evergres::proxy {
namespace {

constexpr unsigned failures_until_gone = 2;

}  // namespace

ExternalView::ExternalView(std::vector<std::string> names, Known known, bool must_write)
    : known_(std::move(known)), must_write_(must_write) {
  for (std::string& name : names) hosts_.push_back({std::move(name), {}, 0, false, false, {}, {}});
}

void ExternalView::answered(std::size_t index, const ProbeAnswer& answer) {
  Host& host = hosts_[index];
  host.reported = true;
  host.failures = 0;
  host.answer = answer;
  host.system = answer.system;
  if (!is_ours(answer)) {
    say_once(host, Loudness::warning,
             host.name + " is of another database system (" + std::to_string(answer.system) +
                 ", not " + std::to_string(*known_.system) + "): it is not used");
  } else if (!answer.in_recovery && answer.timeline < known_.timeline) {
    say_once(host, Loudness::warning,
             host.name + " takes writes on timeline " + std::to_string(answer.timeline.value) +
                 ", but a primary of timeline " + std::to_string(known_.timeline.value) +
                 " was seen: it is an old primary that nobody stopped, and is not used");
  } else if (!answer.in_recovery && answer.read_only && must_write_) {
    say_once(host, Loudness::warning,
             host.name + " is a primary whose transactions are read-only: it is not used");
  } else {
    host.said.clear();
  }
  judge();
}

void ExternalView::failed(std::size_t index, const std::string& why) {
  Host& host = hosts_[index];
  host.reported = true;
  if (++host.failures >= failures_until_gone) host.answer.reset();
  if (!host.answer) say_once(host, Loudness::warning, host.name + " does not answer: " + why);
  judge();
}

void ExternalView::moved(std::size_t index) {
  Host& host = hosts_[index];
  host.answer.reset();
  if (chosen_ && chosen_->host == index) chosen_moved_ = true;
  notes_.push_back({Loudness::info, host.name + " has another address now"});
  judge();
}

std::optional<ExternalView::Leader> ExternalView::leader() const {
  return serves_ ? chosen_ : std::nullopt;
}

bool ExternalView::is_ours(const ProbeAnswer& answer) const {
  return !known_.system || *known_.system == answer.system;
}

bool ExternalView::is_writable(const Host& host) const {
  return host.answer && !host.answer->in_recovery && !(must_write_ && host.answer->read_only) &&
         is_ours(*host.answer) && host.answer->timeline >= known_.timeline;
}

bool ExternalView::replays(std::size_t index) const {
  const auto& answer = hosts_[index].answer;
  return answer && answer->in_recovery && answer->streams && is_ours(*answer) &&
         answer->timeline <= known_.timeline;
}

std::optional<std::uint64_t> ExternalView::lag(std::size_t index) const {
  const auto& answer = hosts_[index].answer;
  if (!answer || !lead_lsn_) return std::nullopt;
  return bytes_between(answer->lsn, *lead_lsn_);
}

/// Of the writable the highest timeline; on one timeline the one in use, then the highest position.
std::optional<std::size_t> ExternalView::best() const {
  std::optional<std::size_t> best;
  const auto rank = [this](std::size_t index) {
    const ProbeAnswer& answer = *hosts_[index].answer;
    const bool in_use = chosen_ && chosen_->host == index && chosen_->timeline == answer.timeline;
    return std::tuple{answer.timeline, in_use, answer.lsn};
  };
  for (std::size_t index = 0; index < hosts_.size(); ++index) {
    if (!is_writable(hosts_[index])) continue;
    if (!best || rank(index) > rank(*best)) best = index;
  }
  return best;
}

void ExternalView::look_for_disputes(std::size_t best) {
  for (std::size_t index = 0; index < hosts_.size(); ++index) {
    Host& host = hosts_[index];
    const bool disputes = index != best && is_writable(host) &&
                          host.answer->timeline == hosts_[best].answer->timeline;
    if (disputes && !host.disputes) {
      notes_.push_back(
          {Loudness::warning,
           "TWO PRIMARIES: " + host.name + " and " + hosts_[best].name +
               " both take writes on timeline " + std::to_string(host.answer->timeline.value) +
               ". " + hosts_[best].name +
               " is used. Stop the other one: nobody here sees what is written there"});
    }
    host.disputes = disputes;
  }
}

/// Which of them is ours nobody can tell, before one was chosen. What is silent now counts too: it
/// may be ours.
bool ExternalView::are_of_two_systems() {
  if (known_.system) return false;
  const Host* first = nullptr;
  for (const Host& host : hosts_) {
    if (!host.system) continue;
    if (first == nullptr) first = &host;
    if (*host.system == *first->system) continue;
    if (!std::exchange(two_systems_, true)) {
      notes_.push_back({Loudness::warning,
                        "TWO DATABASE SYSTEMS: " + first->name + " is of " +
                            std::to_string(*first->system) + " and " + host.name + " of " +
                            std::to_string(*host.system) +
                            ": none is used. Name servers of one system only, and start again"});
    }
    return true;
  }
  return false;
}

void ExternalView::judge() {
  // Who answers first need not be the newest: everybody gets one chance before the first choice.
  const bool all_reported =
      std::ranges::all_of(hosts_, [](const Host& host) { return host.reported; });
  if (!chosen_ && (!all_reported || are_of_two_systems())) return;
  const auto found = best();
  if (found) {
    choose(*found);
    return look_for_disputes(*found);
  }
  if (std::exchange(serves_, false)) {
    notes_.push_back({Loudness::warning, hosts_[chosen_->host].name +
                                             " is not the primary any more: clients wait for "
                                             "another one"});
  }
}

void ExternalView::choose(std::size_t index) {
  const Host& host = hosts_[index];
  const TimelineId timeline = host.answer->timeline;
  known_ = {host.answer->system, timeline};
  // Of one server it never goes back: another one answers under the same address.
  const bool went_back = lead_lsn_ && host.answer->lsn < *lead_lsn_;
  lead_lsn_ = host.answer->lsn;
  const bool is_same = chosen_ && chosen_->host == index && chosen_->timeline == timeline &&
                       !chosen_moved_ && !went_back;
  chosen_moved_ = false;
  if (is_same && serves_) return;
  if (!is_same) chosen_ = Leader{Term{highest().value + 1}, index, timeline};
  serves_ = true;
  notes_.push_back({Loudness::info,
                    host.name + " is the primary, on timeline " + std::to_string(timeline.value)});
}

void ExternalView::say_once(Host& host, Loudness loudness, const std::string& text) {
  if (host.said == text) return;
  host.said = text;
  notes_.push_back({loudness, text});
}

std::vector<ExternalView::Note> ExternalView::take_notes() {
  return std::exchange(notes_, {});
}

}  // namespace evergres::proxy
