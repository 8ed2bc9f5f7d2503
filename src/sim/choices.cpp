#include "sim/choices.hpp"

#include <sstream>

#include "base/check.hpp"

namespace evergres::sim {

Choices Choices::of_seed(std::uint64_t seed) {
  Choices choices;
  // Mixed first: the states of two seeds that were a step apart would give one sequence, shifted.
  choices.state_ = seed;
  choices.state_ = choices.next();
  return choices;
}

Choices Choices::of_recording(std::vector<std::uint32_t> answers) {
  Choices choices;
  choices.source_ = Source::recording;
  choices.answers_ = std::move(answers);
  return choices;
}

Choices Choices::of_bytes(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint32_t> answers;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const std::uint32_t low = bytes[i];
    const std::uint32_t high = i + 1 < bytes.size() ? bytes[i + 1] : 0U;
    answers.push_back(low | high << 8U);
  }
  Choices choices = of_recording(std::move(answers));
  choices.source_ = Source::bytes;
  return choices;
}

Result<Choices> Choices::of_text(const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::uint32_t> answers;
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    for (std::uint32_t answer = 0; words >> answer;) answers.push_back(answer);
    if (words.eof()) continue;
    return Error(ErrorCode::data_invalid, "a recorded run holds only numbers",
                 "Line " + std::to_string(number) + " holds something else.");
  }
  return of_recording(std::move(answers));
}

std::vector<std::uint32_t> Choices::recorded_between() const {
  std::vector<std::uint32_t> between;
  std::size_t at = 0;
  const auto take = [&](std::size_t until) {
    for (; at < until; ++at) between.push_back(recorded_[at]);
  };
  for (const auto& [from, to] : asides_) {
    take(from);
    at = to;
  }
  take(recorded_.size());
  return between;
}

std::string Choices::text() const {
  std::string text;
  for (const std::uint32_t answer : recorded_) text += std::to_string(answer) + "\n";
  return text;
}

// splitmix64: the same numbers with every compiler and library.
std::uint64_t Choices::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

std::uint32_t Choices::below(std::uint32_t limit) {
  CHECK(limit > 0);
  std::uint32_t answer = 0;
  if (source_ == Source::seed) {
    answer = static_cast<std::uint32_t>((next() >> 32U) * limit >> 32U);
  } else if (position_ < answers_.size()) {
    answer = answers_[position_++];
    if (answer >= limit) answer = source_ == Source::bytes ? answer % limit : 0;
  }
  if (recording_) recorded_.push_back(answer);
  return answer;
}

bool Choices::chance(std::uint32_t permille) {
  return permille > 0 && 1000 - below(1000) <= permille;
}

Nanos Choices::between(Nanos least, Nanos most) {
  if (most <= least) return least;
  const auto steps = static_cast<std::uint32_t>((most - least).count() / 1000);
  return least + Nanos{std::int64_t{below(steps + 1)} * 1000};
}

Nanos Choices::skewed(Nanos least, Nanos most) {
  const std::uint32_t dice = below(100);
  const Nanos span = most - least;
  if (dice < 80) return between(least, least + span / 20);
  if (dice < 97) return between(least, least + span / 4);
  return between(least, most);
}

}  // namespace evergres::sim
