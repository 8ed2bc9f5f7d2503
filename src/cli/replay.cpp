#include "cli/replay.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/table.hpp"
#include "cluster/json.hpp"
#include "core/decide.hpp"

namespace evergres::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t longest_line = 4U << 20U;
/// The one decision in a journal that no rule makes (agent/knowledge.hpp).
constexpr std::string_view yields = "yield_to_the_older_agent_of_this_name";

struct Line {
  std::string rule;
  std::string decision;
  std::vector<std::string> facts;
  std::optional<core::Situation> situation;
  std::size_t dropped = 0;
};

template <typename Type>
Outcome take(Type& into, const json::object& from, const char* name) {
  const json::value* const member = from.if_contains(name);
  if (member == nullptr) {
    return Error(ErrorCode::data_invalid, fmt::format("it has no \"{}\"", name));
  }
  Result<Type> read = cluster::from_json<Type>(*member, name);
  if (!read) return read.error();
  into = std::move(*read);
  return {};
}

Result<Line> parse_line(const std::string& text) {
  if (text.size() > longest_line) return Error(ErrorCode::data_invalid, "it is longer than 4 MB");
  boost::system::error_code failure;
  const json::value value = json::parse(text, failure);
  if (failure || !value.is_object()) {
    return Error(ErrorCode::data_invalid, "it is no JSON object; cut short by a crash?");
  }
  const json::object& object = value.get_object();
  Line line;
  if (object.contains("dropped")) {
    if (Outcome done = take(line.dropped, object, "dropped"); !done) return done.error();
    return line;
  }
  for (const Outcome& done :
       {take(line.rule, object, "rule"), take(line.decision, object, "decision"),
        take(line.facts, object, "facts")}) {
    if (!done) return done.error();
  }
  core::Situation situation;
  if (Outcome done = take(situation, object, "situation"); !done) return done.error();
  line.situation = std::move(situation);
  return line;
}

std::string with_facts(std::string text, const std::vector<std::string>& facts) {
  for (const std::string& fact : facts) text += "; " + fact;
  return text;
}

}  // namespace

Replayed replay(std::istream& journal) {
  Replayed replayed;
  std::size_t number = 0;
  for (std::string text; std::getline(journal, text);) {
    ++number;
    if (text.empty()) continue;
    const Result<Line> line = parse_line(text);
    if (!line) {
      replayed.unreadable.push_back(fmt::format("line {}: {}", number, line.error().message()));
      continue;
    }
    replayed.dropped += line->dropped;
    if (!line->situation) continue;
    if (line->rule == yields) {
      ++replayed.elsewhere;
      continue;
    }
    const core::Decision decision = core::decide(*line->situation);
    const std::string now = with_facts(core::describe(decision), decision.facts);
    const std::string then = with_facts(line->decision, line->facts);
    if (now == then && decision.rule == line->rule) {
      ++replayed.same;
    } else {
      replayed.different.push_back({number, then, now});
    }
  }
  return replayed;
}

std::string replay_text(const Replayed& replayed) {
  std::string text;
  for (const Replayed::Difference& one : replayed.different) {
    text +=
        fmt::format("line {}\n  then: {}\n  now:  {}\n", one.line, shown(one.then), shown(one.now));
  }
  for (const std::string& line : replayed.unreadable) text += "unreadable: " + shown(line) + "\n";
  text +=
      fmt::format("{} decisions are the same, {} differ", replayed.same, replayed.different.size());
  if (!replayed.unreadable.empty()) {
    text += fmt::format(", {} lines are unreadable", replayed.unreadable.size());
  }
  if (replayed.elsewhere > 0) text += fmt::format(", {} were no rule's", replayed.elsewhere);
  if (replayed.dropped > 0) text += fmt::format(", {} were not kept", replayed.dropped);
  return text + "\n";
}

}  // namespace evergres::cli
