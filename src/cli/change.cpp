#include "cli/change.hpp"

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

/// The verb is done when its agent says so; with --wait also everybody else has to be back.
Result<int> wait_until_settled(Session& session, const Place& place) {
  const Instant deadline = boot_now() + 120s;
  while (boot_now() < deadline) {
    Result<cluster::ClusterStatus> status = ask_status(place);
    if (status && status->phase == "leading" && !status->request) {
      bool all_there = true;
      for (const cluster::NodeStatus& node : status->nodes) {
        all_there = all_there && (node.state == "running" || node.state == "streaming");
      }
      if (all_there) {
        session.out << status_table(*status, session.colour);
        return 0;
      }
    }
    std::this_thread::sleep_for(200ms);
  }
  return Error(ErrorCode::timed_out, "the cluster is not complete after 2 minutes", "",
               "`evergres list` shows what is missing.");
}

}  // namespace

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
  if (asks && !confirmed(session, asked(*place, change.question))) {
    session.out << "Nothing was changed.\n";
    return 1;
  }
  boost::json::object real = request;
  real["dry_run"] = false;
  const auto show = [&](std::string_view line) {
    session.out << "  " << line << "\n" << std::flush;
  };
  Result<boost::json::value> answer = ask_one(*place, real, 300s, show);
  if (!answer) return answer.error();
  const Result<std::string> text = text_of(*answer, "text");
  if (!text) return text.error();
  session.out << *text << (text->ends_with('\n') ? "" : "\n");
  if (change.wait) return wait_until_settled(session, *place);
  return 0;
}

}  // namespace evergres::cli
