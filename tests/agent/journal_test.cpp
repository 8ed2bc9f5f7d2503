#include "agent/journal.hpp"

#include <boost/json/parse.hpp>
#include <sstream>

#include "agent/place.hpp"
#include "cluster/json.hpp"

namespace evergres::agent::test {
namespace {

class JournalTest : public Place {
 protected:
  static core::Decision decision(const std::string& why) {
    return core::Decision{"a_rule", core::StayPut{}, why, {}};
  }
  /// A journal's destructor waits for what was recorded.
  void record(const core::Situation& situation, const std::string& why) {
    Journal(state()).record(situation, decision(why));
  }
  std::vector<std::string> lines(const char* name = "journal.jsonl") {
    std::vector<std::string> found;
    std::istringstream text(content_of(state() / name));
    for (std::string line; std::getline(text, line);) found.push_back(line);
    return found;
  }
};

TEST_F(JournalTest, HoldsTheWholeSituationSoThatItCanBeDecidedAgain) {
  core::Situation situation;
  situation.me = NodeName{"n1"};
  situation.now = Instant{77};
  situation.record = fresh_record();
  record(situation, "a test");
  ASSERT_EQ(lines().size(), 1U);
  const auto line = boost::json::parse(lines()[0]).as_object();
  EXPECT_EQ(line.at("rule").as_string(), "a_rule");
  const auto again = cluster::parse_json<core::Situation>(
      boost::json::serialize(line.at("situation")), 1U << 20U, "s");
  ASSERT_TRUE(again) << again.error().one_line();
  EXPECT_EQ(*again, situation);
  EXPECT_EQ(core::describe(core::decide(*again)), core::describe(core::decide(situation)));
}

TEST_F(JournalTest, WritesOneLineWhateverTheTextsContain) {
  core::Situation situation;
  situation.store_trouble = "two\nlines, a \"quote\", \x01 and \xff\xfe";
  situation.server.trouble = "}\n{\"rule\":\"forged\"}";
  record(situation, "because\r\nof \\ this");
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_EQ(boost::json::parse(lines()[0]).as_object().at("rule").as_string(), "a_rule");
}

TEST_F(JournalTest, ABrokenLastLineDoesNotSwallowTheNext) {
  put(state() / "journal.jsonl", "{\"whole\":1}\n{\"cut sho");
  record({}, "after the crash");
  ASSERT_EQ(lines().size(), 3U);
  EXPECT_EQ(lines()[0], "{\"whole\":1}");
  EXPECT_EQ(boost::json::parse(lines()[2]).as_object().at("rule").as_string(), "a_rule");
}

TEST_F(JournalTest, BeginsAnotherFileAt16MegabytesAndKeepsOneOlder) {
  put(state() / "journal.1.jsonl", "the oldest\n");
  put(state() / "journal.jsonl", std::string(16U << 20U, 'x') + "\n");
  record({}, "the first of the new file");
  EXPECT_EQ(lines().size(), 1U);
  EXPECT_EQ(std::filesystem::file_size(state() / "journal.1.jsonl"), (16U << 20U) + 1);
  record({}, "the second");
  EXPECT_EQ(lines().size(), 2U);
}

TEST_F(JournalTest, KeepsOrderAndLosesNothingUnderABurst) {
  {
    Journal journal(state());
    for (int number = 0; number < 500; ++number)
      journal.record({}, decision(std::to_string(number)));
  }
  const auto found = lines();
  ASSERT_EQ(found.size(), 500U);
  for (std::size_t number = 0; number < found.size(); ++number) {
    const auto text =
        std::string(boost::json::parse(found[number]).as_object().at("decision").as_string());
    EXPECT_NE(text.find(" " + std::to_string(number)), std::string::npos) << text;
  }
}

TEST_F(JournalTest, IsNoReasonToStop) {
  std::filesystem::create_directory(state() / "journal.jsonl");
  record({}, "nowhere to write");
  SUCCEED();
}

}  // namespace
}  // namespace evergres::agent::test
