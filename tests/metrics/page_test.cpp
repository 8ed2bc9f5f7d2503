#include "metrics/page.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <regex>
#include <set>
#include <sstream>

namespace evergres::metrics {
namespace {

std::vector<std::string> names_of(const Family& family) {
  std::vector<std::string> names;
  if (family.prefix != Prefix::patroni) names.push_back("evergres_" + std::string(family.name));
  if (family.prefix != Prefix::evergres) names.push_back("patroni_" + std::string(family.name));
  return names;
}

/// A page with one sample of every family.
std::string whole_page() {
  Page page({{"scope", "demo"}, {"name", "n1"}});
  for (const Family& family : families) {
    if (family.type == Type::histogram) {
      page.add_histogram(family.metric, Distribution{{{0.5, 1}}, 2.25, 3});
    } else {
      page.add(family.metric, std::int64_t{1});
    }
  }
  return page.text();
}

/// What `promtool check metrics` complains about (client_golang's promlint), as far as a name, a
/// type and a help text can be wrong.
std::vector<std::string> complaints(const std::string& name, Type type, std::string_view help) {
  static const std::regex valid("[a-z][a-z0-9_]*");
  static const std::regex other_units(
      "(^|_)(milliseconds?|microseconds?|nanoseconds?|minutes?|hours?|days?|weeks?|"
      "kilobytes?|megabytes?|gigabytes?|bits?|percent|s|ms|us|ns|sec|b|kb|mb|gb|tb|m|h|d)(_|$)");
  std::vector<std::string> found;
  if (help.empty()) found.push_back(name + " has no help");
  if (!std::regex_match(name, valid)) found.push_back(name + " is no name");
  if (std::regex_search(name, other_units)) found.push_back(name + " has no base unit");
  const bool total = name.ends_with("_total");
  if (type == Type::counter && !total) found.push_back(name + " is a counter without _total");
  if (type != Type::counter && total) found.push_back(name + " ends with _total");
  for (const char* suffix : {"_count", "_sum", "_bucket"}) {
    if (name.ends_with(suffix)) found.push_back(name + " ends like part of a histogram");
  }
  for (const char* word : {"gauge", "counter", "summary", "histogram"}) {
    if (name.find(word) != std::string::npos) found.push_back(name + " names its type");
  }
  return found;
}

TEST(Metrics, NamesTypesAndHelpAreAsPrometheusWantsThem) {
  std::set<std::string> seen;
  for (const Family& family : families) {
    EXPECT_TRUE(family.help.ends_with('.')) << family.name;
    EXPECT_EQ(family.help.find_first_of("\\\n"), std::string::npos) << family.name;
    for (const std::string& name : names_of(family)) {
      EXPECT_TRUE(seen.insert(name).second) << name << " is declared twice";
      for (const std::string& complaint : complaints(name, family.type, family.help)) {
        ADD_FAILURE() << complaint;
      }
    }
  }
}

TEST(Metrics, TheChecksNoticeBadNames) {
  EXPECT_EQ(complaints("evergres_term", Type::gauge, "Term."), std::vector<std::string>{});
  EXPECT_FALSE(complaints("evergres_term", Type::gauge, "").empty());
  EXPECT_FALSE(complaints("evergres_failovers", Type::counter, "Failovers.").empty());
  EXPECT_FALSE(complaints("evergres_lag_total", Type::gauge, "Lag.").empty());
  EXPECT_FALSE(complaints("evergres_lag_ms", Type::gauge, "Lag.").empty());
  EXPECT_FALSE(complaints("evergres_lagBytes", Type::gauge, "Lag.").empty());
  EXPECT_FALSE(complaints("evergres_lag_gauge", Type::gauge, "Lag.").empty());
  EXPECT_FALSE(complaints("evergres_nodes_count", Type::gauge, "Nodes.").empty());
}

TEST(Metrics, EveryLineIsOfTheTextFormat) {
  static const std::regex comment(R"(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (gauge|counter|histogram)))");
  static const std::regex sample(R"re([a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+-]+)re");
  std::istringstream lines(whole_page());
  std::size_t samples = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool is_comment = line.starts_with("#");
    samples += is_comment ? 0 : 1;
    EXPECT_TRUE(std::regex_match(line, is_comment ? comment : sample)) << line;
  }
  std::size_t names = 0;
  for (const Family& family : families) {
    names += names_of(family).size() * (family.type == Type::histogram ? 4 : 1);
  }
  EXPECT_EQ(samples, names);
}

TEST(Metrics, SamplesOfAFamilyStandTogetherAndThoseWithoutSamplesAreLeftOut) {
  Page page(Labels{{"name", "n1"}});
  page.add(Metric::replay_lag_bytes, std::uint64_t{1}, {{"member", "n2"}});
  page.add(Metric::term, std::uint64_t{18'446'744'073'709'551'615U});
  page.add(Metric::replay_lag_bytes, std::uint64_t{2}, {{"member", "n3"}});
  EXPECT_EQ(page.text(),
            "# HELP evergres_term Term of the record.\n"
            "# TYPE evergres_term gauge\n"
            "evergres_term{name=\"n1\"} 18446744073709551615\n"
            "# HELP evergres_replay_lag_bytes WAL of the leader that a node has not replayed, as "
            "this node sees it.\n"
            "# TYPE evergres_replay_lag_bytes gauge\n"
            "evergres_replay_lag_bytes{name=\"n1\",member=\"n2\"} 1\n"
            "evergres_replay_lag_bytes{name=\"n1\",member=\"n3\"} 2\n");
}

TEST(Metrics, AHistogramHasItsBoundsItsSumAndItsCount) {
  Page page(Labels{{"name", "n1"}});
  page.add_histogram(Metric::proxy_wait_seconds,
                     Distribution{{{6.4e-05, 1}, {0.001024, 3}}, 2.5, 4}, {{"database", "app"}});
  EXPECT_EQ(page.text(),
            "# HELP evergres_proxy_wait_seconds For how long transactions waited for a server, "
            "holds included.\n"
            "# TYPE evergres_proxy_wait_seconds histogram\n"
            "evergres_proxy_wait_seconds_bucket{name=\"n1\",database=\"app\",le=\"6.4e-05\"} 1\n"
            "evergres_proxy_wait_seconds_bucket{name=\"n1\",database=\"app\",le=\"0.001024\"} 3\n"
            "evergres_proxy_wait_seconds_bucket{name=\"n1\",database=\"app\",le=\"+Inf\"} 4\n"
            "evergres_proxy_wait_seconds_sum{name=\"n1\",database=\"app\"} 2.5\n"
            "evergres_proxy_wait_seconds_count{name=\"n1\",database=\"app\"} 4\n");
}

TEST(Metrics, PatronisNameStandsBesideOurs) {
  Page page({{"scope", "demo"}, {"name", "n1"}});
  page.add_flag(Metric::primary, true);
  const std::string text = page.text();
  EXPECT_NE(text.find("\nevergres_primary{scope=\"demo\",name=\"n1\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("\npatroni_primary{scope=\"demo\",name=\"n1\"} 1\n"), std::string::npos);
}

TEST(Metrics, LabelsAreEscapedAndNumbersAreExact) {
  Page page(Labels{{"name", "a\\b\"c\nd"}});
  page.add(Metric::term, 0.1);
  page.add(Metric::term, std::numeric_limits<double>::infinity());
  page.add(Metric::term, std::numeric_limits<double>::quiet_NaN());
  const std::string text = page.text();
  EXPECT_NE(text.find(R"(evergres_term{name="a\\b\"c\nd"} 0.1)"), std::string::npos) << text;
  EXPECT_NE(text.find("} +Inf\n"), std::string::npos) << text;
  EXPECT_NE(text.find("} NaN\n"), std::string::npos) << text;
}

TEST(Metrics, PromtoolAgrees) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "promtool is missing";
  FILE* const tool = ::popen("promtool check metrics", "w");
  ASSERT_NE(tool, nullptr);
  const std::string page = whole_page();
  EXPECT_EQ(std::fwrite(page.data(), 1, page.size(), tool), page.size());
  EXPECT_EQ(::pclose(tool), 0);
}

}  // namespace
}  // namespace evergres::metrics
