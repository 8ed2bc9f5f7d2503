#include "cli/change.hpp"

#include <boost/json.hpp>
#include <ostream>
#include <thread>

#include "cli/agents.hpp"
#include "cli/status_table.hpp"
#include "cli/table.hpp"

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

}  // namespace

bool go_ahead(Session& session, bool force, std::string_view question) {
  if (!session.in_is_terminal || force || confirmed(session, question)) return true;
  session.out << "Nothing was changed.\n";
  return false;
}

std::string not_settled(const cluster::ClusterStatus& status, std::size_t voters) {
  if (status.phase != "leading") return "a leader (" + status.phase + ")";
  if (status.request) return "the request: " + *status.request;
  for (const cluster::NodeStatus& node : status.nodes) {
    const bool serves = node.state == "running" || node.state == "streaming" || node.fenced_by;
    if (!serves) return node.name + " (" + (node.doing.empty() ? node.state : node.doing) + ")";
  }
  if (status.voters.size() < voters) {
    return "voters (" + std::to_string(status.voters.size()) + " of " + std::to_string(voters) +
           ")";
  }
  return "";
}

Result<cluster::ClusterStatus> wait_until_settled(Session& session, const Place& place,
                                                  std::size_t voters, Millis patience) {
  const Instant deadline = boot_now() + patience;
  std::string told;
  while (boot_now() < deadline) {
    Result<cluster::ClusterStatus> status = ask_status(place);
    const std::string missing =
        status ? not_settled(*status, voters) : std::string("an agent that answers");
    if (missing.empty()) return status;
    if (missing != told) session.out << "  waiting for " << shown(missing) << "\n" << std::flush;
    told = missing;
    std::this_thread::sleep_for(200ms);
  }
  return Error(
      ErrorCode::timed_out,
      "the cluster is not complete after " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(patience).count()) + " s",
      told.empty() ? "" : "Missing is " + told + ".", "`evergres list` shows what is missing.");
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
  const Result<cluster::ClusterStatus> settled = wait_until_settled(session, *place, 0, 120s);
  if (!settled) return settled.error();
  session.out << status_table(*settled, session.colour);
  return 0;
}

}  // namespace evergres::cli
