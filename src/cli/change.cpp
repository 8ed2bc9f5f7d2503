#include "cli/change.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <thread>

#include "cli/agents.hpp"
#include "cli/status_table.hpp"

namespace evergres::cli {
namespace {

using namespace std::chrono_literals;

/// The present leader's name fills the question, "?" if nobody leads.
std::string asked(const Place& place, const std::string& question) {
  constexpr std::string_view mark = "LEADER";
  const std::size_t at = question.find(mark);
  if (at == std::string::npos) return question;
  const Result<cluster::ClusterStatus> status = ask_status(place);
  const std::string leader = status ? status->leader.value_or("nobody") : "nobody";
  return std::string(question).replace(at, mark.size(), leader);
}

bool is_settled(const cluster::ClusterStatus& status, std::size_t voters) {
  if (status.phase != "leading" || status.request || status.voters.size() < voters) return false;
  return std::ranges::all_of(status.nodes, [](const cluster::NodeStatus& node) {
    return node.state == "running" || node.state == "streaming" || node.fenced_by;
  });
}

}  // namespace

bool go_ahead(Session& session, bool force, std::string_view question) {
  if (!session.in_is_terminal || force || confirmed(session, question)) return true;
  session.out << "Nothing was changed.\n";
  return false;
}

Result<cluster::ClusterStatus> wait_until_settled(const Place& place, std::size_t voters,
                                                  Millis patience) {
  const Instant deadline = boot_now() + patience;
  while (boot_now() < deadline) {
    Result<cluster::ClusterStatus> status = ask_status(place);
    if (status && is_settled(*status, voters)) return status;
    std::this_thread::sleep_for(200ms);
  }
  return Error(
      ErrorCode::timed_out,
      "the cluster is not complete after " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(patience).count()) + " s",
      "", "`evergres list` shows what is missing.");
}

Result<int> carry_out(Session& session, const boost::json::object& request, const Change& change) {
  Result<Place> place = find_place(session);
  if (!place) return place.error();
  boost::json::object trial = request;
  trial["dry_run"] = true;
  Result<boost::json::value> impact = ask_one(*place, trial, 10s);
  if (!impact) return impact.error();
  const Result<std::string> impact_text = text_of(*impact, "impact");
  if (impact_text) session.out << "Impact: " << *impact_text << "\n";
  const bool asks = session.in_is_terminal && !change.force;
  const std::string question = asks ? asked(*place, change.question) : change.question;
  if (!go_ahead(session, change.force, question)) return 1;
  boost::json::object real = request;
  real["dry_run"] = false;
  const auto show = [&](std::string_view line) {
    session.out << "  " << line << "\n" << std::flush;
  };
  Result<boost::json::value> answer = ask_one(*place, real, change.patience, show);
  if (!answer) return answer.error();
  const Result<std::string> text = text_of(*answer, "text");
  if (!text) return text.error();
  session.out << *text << (text->ends_with('\n') ? "" : "\n");
  if (!change.wait) return 0;
  const Result<cluster::ClusterStatus> settled = wait_until_settled(*place, 0, 120s);
  if (!settled) return settled.error();
  session.out << status_table(*settled, session.colour);
  return 0;
}

}  // namespace evergres::cli
