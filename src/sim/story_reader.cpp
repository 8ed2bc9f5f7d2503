#include <charconv>
#include <sstream>

#include "core/situation.hpp"
#include "sim/story.hpp"

/// The language of docs/stories.md. Each reader takes what it understands from the front of a line;
/// what is left over is an error.
namespace evergres::sim {
namespace {

constexpr Nanos longest_span{std::int64_t{3600} * 1'000'000'000};
constexpr std::size_t most_steps = 2000;
constexpr std::size_t most_answers = 4'000'000;

struct Complaint {
  std::string what;
  std::string hint;
};

/// What is left of a line.
class Rest {
 public:
  explicit Rest(std::string_view text) : text_(text) {}

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] std::string_view text() const { return text_; }
  /// The words, if they stand here and end where a word ends.
  bool take(std::string_view words) {
    if (!text_.starts_with(words)) return false;
    const std::string_view behind = text_.substr(words.size());
    if (!behind.empty() && behind[0] != ' ' && behind[0] != ',' && behind[0] != ':') return false;
    text_ = behind;
    skip(' ');
    return true;
  }
  bool take(char sign) {
    if (!text_.starts_with(sign)) return false;
    text_.remove_prefix(1);
    skip(' ');
    return true;
  }
  std::optional<std::uint64_t> number(std::uint64_t most) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc{} || value > most) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    skip(' ');
    return value;
  }
  std::string_view word() {
    const std::string_view word = text_.substr(0, text_.find_first_of(" ,:"));
    text_.remove_prefix(word.size());
    skip(' ');
    return word;
  }
  /// "12.5 s", "300 ms": exact to the nanosecond, at most an hour.
  std::optional<Nanos> span() {
    const auto whole = number(3'600'000);
    if (!whole) return std::nullopt;
    std::int64_t part = 0;
    std::int64_t weight = 1'000'000'000;
    if (text_.starts_with('.')) {
      text_.remove_prefix(1);
      while (!text_.empty() && text_[0] >= '0' && text_[0] <= '9' && weight > 1) {
        weight /= 10;
        part += (text_[0] - '0') * weight;
        text_.remove_prefix(1);
      }
      skip(' ');
    }
    const std::int64_t unit = take("ms") ? 1'000'000 : take("s") ? 1'000'000'000 : 0;
    if (unit == 0 || (unit != 1'000'000'000 && part != 0)) return std::nullopt;
    const Nanos span{static_cast<std::int64_t>(*whole) * unit + part};
    return span <= longest_span ? std::optional(span) : std::nullopt;
  }
  /// A part of it that ends the line: "… for 5 s" leaves "…".
  [[nodiscard]] Rest without_tail(std::string_view tail) const {
    return Rest(text_.substr(0, text_.size() - tail.size()));
  }

 private:
  void skip(char sign) {
    while (text_.starts_with(sign)) text_.remove_prefix(1);
  }
  std::string_view text_;
};

using Trouble = std::optional<Complaint>;

class Reader {
 public:
  explicit Reader(std::string file) {
    story_.file = std::move(file);
    story_.shape.pause = Millis{300};
  }

  Trouble line(std::string_view text, std::size_t number) {
    number_ = number;
    while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with('#')) return comment(text);
    if (text.empty()) return {};
    if (text.starts_with('|')) return answers(text.substr(1));
    Rest rest(text);
    Trouble trouble = header(rest);
    if (!trouble && !understood_) trouble = step(rest);
    if (!trouble && !rest.empty()) {
      trouble = Complaint{"'" + std::string(rest.text()) + "' was not expected here", {}};
    }
    return trouble;
  }

  Trouble finish() {
    if (!world_) return Complaint{"there is no line 'world N nodes, quorum'", {}};
    if (story_.shape.acknowledgements >= story_.shape.machines) {
      return Complaint{"more acknowledgements are wanted than there are standbys", {}};
    }
    return {};
  }
  Story story() { return std::move(story_); }

 private:
  Trouble comment(std::string_view text) {
    text.remove_prefix(text.starts_with("# ") ? 2 : 1);
    if (!world_) story_.about.emplace_back(text);
    return {};
  }

  Trouble answers(std::string_view text) {
    if (!story_.recorded) return Complaint{"numbers without 'choices recorded' before them", {}};
    Rest rest(text);
    rest.take(' ');
    while (!rest.empty()) {
      const auto answer = rest.number(0xFFFFFFFFU);
      if (!answer || story_.recorded->size() >= most_answers) {
        return Complaint{"this is no recorded answer: " + std::string(rest.text()), {}};
      }
      story_.recorded->push_back(static_cast<std::uint32_t>(*answer));
    }
    return {};
  }

  Trouble header(Rest& rest) {
    understood_ = true;
    if (rest.take("tags")) return tags(rest);
    if (rest.take("world")) return world(rest);
    if (rest.take("writers")) return writers(rest);
    if (rest.take("choices")) return choices(rest);
    if (rest.take("plant")) {
      const std::string name(rest.word());
      const auto bug = bug_called(name);
      if (!bug)
        return Complaint{"no mistake is called '" + name + "'", "evergres-sim --plant list"};
      story_.planted.insert(*bug);
      return {};
    }
    if (rest.take("acknowledgements")) {
      const auto number = rest.number(8);
      if (!number || *number == 0) return Complaint{"acknowledgements are 1 to 8", {}};
      story_.shape.acknowledgements = static_cast<std::uint32_t>(*number);
      return {};
    }
    if (rest.take("max_loss")) {
      const auto number = rest.number(1'000'000);
      if (!number) return Complaint{"max_loss is a number of records", {}};
      story_.shape.max_loss = *number;
      return {};
    }
    if (rest.take("store_slowness")) {
      const auto times = rest.number(100);
      if (!times || *times == 0) return Complaint{"store_slowness is 1 to 100", {}};
      story_.shape.store_slowness = static_cast<std::int64_t>(*times);
      return {};
    }
    if (rest.take("procedures")) {
      story_.shape.procedures = true;
      return {};
    }
    if (rest.take("node")) return tags_of_node(rest);
    if (rest.take("lasts")) return span_into(rest, story_.shape.chaos);
    return tuning(rest);
  }

  Trouble tuning(Rest& rest) {
    Trouble trouble;
    bool found = false;
    const auto try_one = [&](const auto& field) {
      if (found || !rest.take(field.name)) return;
      found = true;
      Nanos span{0};
      trouble = span_into(rest, span);
      story_.shape.tuning.*field.member = std::chrono::duration_cast<Millis>(span);
      if (!trouble && span < Millis{1}) trouble = Complaint{"that is too short", {}};
    };
    std::apply([&](const auto&... field) { (try_one(field), ...); },
               fields(static_cast<const core::Tuning*>(nullptr)));
    understood_ = found;
    return trouble;
  }

  /// "node 2 nofailover nosync clonefrom priority 3 zone east"
  Trouble tags_of_node(Rest& rest) {
    const auto node = rest.number(story_.shape.machines);
    if (!node || *node == 0) return Complaint{"which node has the tags?", {}};
    story_.shape.tags.resize(story_.shape.machines);
    core::Tags& own = story_.shape.tags[*node - 1];
    own.nofailover = rest.take("nofailover");
    own.nosync = rest.take("nosync");
    own.clonefrom = rest.take("clonefrom");
    if (rest.take("priority")) {
      own.failover_priority = static_cast<std::uint32_t>(rest.number(1000).value_or(1));
    }
    if (rest.take("zone")) own.zone = rest.word();
    return {};
  }

  Trouble tags(Rest& rest) {
    do {
      const std::string tag(rest.word());
      if (tag != "real" && tag != "ci") {
        return Complaint{"no tag is called '" + tag + "'", "There are: real, ci."};
      }
      story_.tags.insert(tag);
    } while (rest.take(','));
    return {};
  }

  Trouble world(Rest& rest) {
    if (world_) return Complaint{"there is one world in a story", {}};
    const auto machines = rest.number(9);
    if (!machines || *machines < 2 || !rest.take("nodes") || !rest.take(',')) {
      return Complaint{"a world is 'world N nodes, quorum', N from 2 to 9", {}};
    }
    story_.shape.machines = *machines;
    if (rest.take("strict")) {
      story_.shape.mode = core::Durability::strict;
    } else if (rest.take("async")) {
      story_.shape.mode = core::Durability::async;
    } else if (!rest.take("quorum")) {
      return Complaint{"a world is quorum, strict or async", {}};
    }
    world_ = true;
    return {};
  }

  Trouble writers(Rest& rest) {
    const auto writers = rest.number(50);
    if (!writers) return Complaint{"there are at most 50 writers", {}};
    story_.shape.writers = *writers;
    if (!rest.take(',') || !rest.take("every")) return Complaint{"how often do they write?", {}};
    const Trouble trouble = span_into(rest, story_.shape.pause);
    if (trouble || story_.shape.pause >= Millis{10}) return trouble;
    return Complaint{"a writer waits at least 10 ms", {}};
  }

  Trouble choices(Rest& rest) {
    story_.recorded.reset();
    if (rest.take("quiet") || rest.take("recorded")) {
      story_.recorded.emplace();
      return {};
    }
    if (!rest.take("seeds") && !rest.take("seed")) {
      return Complaint{"choices are quiet, recorded, 'seed N' or 'seeds N to M'", {}};
    }
    const auto first = rest.number(~std::uint64_t{0});
    const bool several = rest.take("to");
    const auto last = several ? rest.number(~std::uint64_t{0}) : first;
    if (!first || !last || *last < *first || *last - *first > 1000) {
      return Complaint{"seeds are numbers, the last not below the first, at most 1000 of them", {}};
    }
    story_.first_seed = *first;
    story_.last_seed = *last;
    return {};
  }

  Trouble span_into(Rest& rest, Nanos& span) {
    const auto read = rest.span();
    if (!read) return Complaint{"a time is '5 s', '1.5 s' or '300 ms', at most an hour", {}};
    span = *read;
    return {};
  }

  Trouble who(Rest& rest, Who& who) {
    const std::string name(rest.word());
    if (name == "leader") who.kind = Who::Kind::leader;
    if (name == "standby") who.kind = Who::Kind::standby;
    if (name == "leader" || name == "standby") return {};
    Rest number(std::string_view(name).substr(name.empty() ? 0 : 1));
    const auto machine = number.number(9);
    if (!name.starts_with('n') || !machine || *machine < 1 || !number.empty() ||
        *machine > story_.shape.machines) {
      return Complaint{
          "'" + name + "' is no node of this world",
          "It is n1 to n" + std::to_string(story_.shape.machines) + ", leader or standby."};
    }
    who.place = *machine - 1;
    return {};
  }

  Trouble step(Rest& rest) {
    if (!world_) return Complaint{"steps come behind the line 'world'", {}};
    if (story_.steps.size() >= most_steps) return Complaint{"too many steps", {}};
    if (!story_.breaks.empty()) return Complaint{"nothing comes behind what is broken", {}};
    Step step;
    step.line = number_;
    Trouble trouble;
    Nanos at{0};
    if (rest.take("at")) {
      trouble = span_into(rest, at);
      step.at = at;
    } else if (rest.take("after")) {
      trouble = span_into(rest, step.after);
    }
    if (trouble) return trouble;
    if (rest.take("await")) {
      trouble = await(rest, step);
    } else if (rest.take("expect")) {
      trouble = expect(rest, step);
    } else if (rest.take("heal")) {
      step.kind = Step::Kind::heal;
    } else {
      if (rest.take("mend")) step.kind = Step::Kind::mend;
      trouble = fault(rest, step);
    }
    if (trouble || !story_.breaks.empty()) return trouble;
    if (step.at && step.at < last_at_) return Complaint{"it is later than that already", {}};
    if (step.at) last_at_ = *step.at;
    story_.steps.push_back(step);
    return {};
  }

  // The kind is all up to the colon, or up to the last " for ".
  Trouble fault(Rest& rest, Step& step) {
    std::string_view name = rest.text();
    if (const auto end = name.rfind(" for "); end != std::string_view::npos) {
      Rest tail(name.substr(end + 5));
      const auto span = tail.span();
      if (!span || !tail.empty()) return Complaint{"how long?", "For example: for 5 s"};
      step.span = *span;
      name = name.substr(0, end);
    }
    Rest operands(name.substr(std::min(name.size(), name.find(": "))));
    name = name.substr(0, name.size() - operands.text().size());
    rest = Rest({});
    const auto kind = fault_called(name);
    if (!kind) {
      return Complaint{"nothing is called '" + std::string(name) + "'", "evergres-sim --faults"};
    }
    step.fault = *kind;
    const int wanted = machines_of_fault(*kind);
    step.other.place = 1;
    for (int i = 0; i < wanted; ++i) {
      if (!operands.take(i == 0 ? ':' : ',')) {
        return Complaint{"it hits " + std::to_string(wanted) + " of the nodes: which?", {}};
      }
      if (const Trouble trouble = who(operands, i == 0 ? step.who : step.other)) return trouble;
    }
    if (!operands.empty()) return Complaint{"it hits no further node", {}};
    return {};
  }

  Trouble await(Rest& rest, Step& step) {
    Trouble trouble;
    if (rest.take("leader")) {
      step.kind = Step::Kind::await_leader;
      trouble = who(rest, step.who);
    } else if (rest.take("a leader other than")) {
      step.kind = Step::Kind::await_another_leader;
      trouble = who(rest, step.who);
    } else if (rest.take("health")) {
      step.kind = Step::Kind::await_health;
    } else if (const auto number = rest.number(100'000)) {
      step.number = static_cast<std::uint32_t>(*number);
      step.kind = Step::Kind::await_writes;
      if (!rest.take("writes")) {
        step.kind = Step::Kind::await_voters;
        if (!rest.take("voters")) return Complaint{"writes or voters?", {}};
      }
    } else {
      return Complaint{"nobody can wait for '" + std::string(rest.text()) + "'",
                       "There are: leader N, a leader other than N, health, N writes, N voters."};
    }
    if (trouble) return trouble;
    if (!rest.take("within")) return Complaint{"within which time?", {}};
    return span_into(rest, step.span);
  }

  Trouble expect(Rest& rest, Step& step) {
    if (rest.take("leader")) {
      step.kind = Step::Kind::expect_leader;
      return who(rest, step.who);
    }
    if (rest.take("the same term")) {
      step.kind = Step::Kind::expect_same_term;
    } else if (rest.take("a higher term")) {
      step.kind = Step::Kind::expect_higher_term;
    } else if (rest.take("no acknowledged write lost")) {
      step.kind = Step::Kind::expect_nothing_lost;
    } else if (rest.take("no write for")) {
      step.kind = Step::Kind::expect_no_write;
      return span_into(rest, step.span);
    } else if (rest.text().ends_with(" broken")) {
      story_.breaks = rest.without_tail(" broken").text();
      rest = Rest({});
    } else {
      return Complaint{"nobody can expect '" + std::string(rest.text()) + "'",
                       "There are: leader N, the same term, a higher term, no write for TIME, no "
                       "acknowledged write lost, I5 broken."};
    }
    return {};
  }

  Story story_;
  std::size_t number_ = 0;
  bool understood_ = false;
  bool world_ = false;
  Nanos last_at_{0};
};

}  // namespace

Result<Story> read_story(const std::string& text, const std::string& file) {
  Reader reader(file);
  const auto refused = [&](std::size_t line, const Complaint& complaint) {
    return Error(ErrorCode::data_invalid, file + ":" + std::to_string(line) + ": " + complaint.what,
                 {}, complaint.hint);
  };
  std::istringstream lines(text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (const Trouble trouble = reader.line(line, ++number)) return refused(number, *trouble);
  }
  if (const Trouble trouble = reader.finish()) return refused(number, *trouble);
  return reader.story();
}

}  // namespace evergres::sim
