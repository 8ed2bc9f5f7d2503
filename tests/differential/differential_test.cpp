#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include <gtest/gtest.h>

#include "differential/story.hpp"

/// Each script is told by the model, from several seeds, and by each PostgreSQL that is installed;
/// the lines must be the same. Real servers mostly wait, so that several stories run at once.
namespace evergres::differential {
namespace {

constexpr std::uint64_t seeds = 25;  // docs/RELIABILITY.md names this figure
constexpr std::size_t at_once = 6;

using Lines = std::vector<std::string>;

std::string joined(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) text += "  " + line + "\n";
  return text;
}

struct Case {
  Script script;
  std::string programs;
  std::string version;
};
std::ostream& operator<<(std::ostream& to, const Case& which) {
  return to << which.script.name << " on PostgreSQL " << which.version;
}

std::string title(const Case& which) {
  return which.script.name + "_" + which.version;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& programs : installed_programs()) {
    // /usr/lib/postgresql/15/bin
    const auto end = programs.rfind('/');
    const std::string version =
        programs.substr(programs.rfind('/', end - 1) + 1, end - programs.rfind('/', end - 1) - 1);
    for (const auto& script : scripts()) all.push_back({script, programs, version});
  }
  return all;
}

Lines told_by(std::unique_ptr<World> world, const Script& script) {
  if (!world) return {"there was no world"};
  Story story(*world);
  script.tell(story);
  return story.lines();
}

/// The stories of all tests that are to run, on real servers, begun with the first one.
class RealStories {
 public:
  static RealStories& instance() {
    static RealStories stories;
    return stories;
  }
  Lines lines_of(const Case& which) { return told_.at(title(which)).get(); }
  ~RealStories() {
    for (auto& thread : threads_) thread.join();
  }

 private:
  RealStories() {
    const auto* suite = ::testing::UnitTest::GetInstance()->current_test_suite();
    for (int i = 0; i < suite->total_test_count(); ++i) {
      const auto* test = suite->GetTestInfo(i);
      if (test->should_run()) wanted_.push_back(std::string(test->name()));
    }
    for (const auto& which : cases()) {
      const auto named = [&](const std::string& name) {
        return name.ends_with("/" + title(which));
      };
      if (std::none_of(wanted_.begin(), wanted_.end(), named)) continue;
      waiting_.push_back(which);
      told_[title(which)] = promises_[title(which)].get_future();
    }
    for (std::size_t i = 0; i < std::min(at_once, waiting_.size()); ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  void work() {
    for (;;) {
      const std::size_t mine = next_++;
      if (mine >= waiting_.size()) return;
      const Case& which = waiting_[mine];
      // Its servers are gone before anybody learns that it is told.
      const Lines lines = told_by(make_real(which.programs), which.script);
      promises_.at(title(which)).set_value(lines);
    }
  }

  std::vector<std::string> wanted_;
  std::vector<Case> waiting_;
  std::map<std::string, std::promise<Lines>> promises_;
  std::map<std::string, std::future<Lines>> told_;
  std::atomic<std::size_t> next_{0};
  std::vector<std::thread> threads_;
};

class Differential : public ::testing::TestWithParam<Case> {};

TEST_P(Differential, TheModelTellsWhatPostgreSQLTells) {
  const Lines real = RealStories::instance().lines_of(GetParam());
  EXPECT_EQ(std::count_if(real.begin(), real.end(),
                          [](const std::string& line) { return line.starts_with("never: "); }),
            0)
      << "PostgreSQL:\n"
      << joined(real);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Lines modelled = told_by(make_model(seed), GetParam().script);
    ASSERT_EQ(modelled, real) << "seed " << seed << "\nthe model:\n"
                              << joined(modelled) << "PostgreSQL:\n"
                              << joined(real);
  }
}

TEST(Installed, ThereIsAPostgreSQLToCompareWith) {
  EXPECT_FALSE(cases().empty()) << "no PostgreSQL under /usr/lib/postgresql";
}

INSTANTIATE_TEST_SUITE_P(Stories, Differential, ::testing::ValuesIn(cases()),
                         [](const auto& about) { return title(about.param); });

}  // namespace
}  // namespace evergres::differential
