#include "cli/effective_config.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config/reader.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

class ShowConfig : public testing::Test {
 protected:
  ShowConfig() {
    char name[] = "/tmp/evergres_config_XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    directory_ = name;
  }
  ~ShowConfig() override { fs::remove_all(directory_); }

  EffectiveConfig read(const std::string& more) {
    const fs::path file = directory_ / "node.yaml";
    std::ofstream(file) << "cluster: demo\nnode: n1\ndata_directory: data\n"
                           "store: sqlite:store.db\nsecret_file: secret\nvoter_timeout: 4s\n"
                        << more;
    std::ofstream(directory_ / "secret") << "a-very-secret-word\n";
    const auto settings = config::read_node_file(file);
    if (!settings) throw std::runtime_error(settings.error().for_people());
    auto config = effective_config(KnownNode{file, *settings});
    if (!config) throw std::runtime_error(config.error().for_people());
    return *config;
  }

  fs::path directory_;
};

const EffectiveOption& option(const EffectiveConfig& config, const std::string& name) {
  return *std::ranges::find(config.options, name, &EffectiveOption::name);
}
const EffectiveParameter& parameter(const EffectiveConfig& config, const std::string& name) {
  return *std::ranges::find(config.parameters, name, &EffectiveParameter::name);
}

TEST_F(ShowConfig, MarksDefaultsAndOwners) {
  const EffectiveConfig config =
      read("parameters:\n  work_mem: 8MB\n  wal_keep_size: 1GB\n  search_path: \"it's, \\\\a\"\n");
  EXPECT_EQ(option(config, "voter_timeout").value, "4s");
  EXPECT_FALSE(option(config, "voter_timeout").by_default);
  EXPECT_EQ(option(config, "suspect_after").value, "1200ms");
  EXPECT_TRUE(option(config, "suspect_after").by_default);
  EXPECT_EQ(option(config, "state_directory").value, (directory_ / "state").string());
  EXPECT_EQ(parameter(config, "work_mem").owner, "operator");
  EXPECT_EQ(parameter(config, "wal_keep_size").value, "1GB");
  EXPECT_EQ(parameter(config, "wal_keep_size").owner, "operator");
  EXPECT_EQ(parameter(config, "search_path").value, "it's, \\a");
  EXPECT_EQ(parameter(config, "wal_level").owner, "default");
  EXPECT_EQ(parameter(config, "fsync").owner, "evergres");
  EXPECT_EQ(parameter(config, "synchronous_standby_names").value, "(as the policy says)");
  EXPECT_EQ(parameter(config, "primary_slot_name").value, "evg_n1");
}

TEST_F(ShowConfig, NamesAForbiddenParameter) {
  const EffectiveConfig config = read("parameters:\n  fsync: 'off'\n");
  EXPECT_EQ(parameter(config, "fsync").owner, "forbidden");
  EXPECT_EQ(parameter(config, "fsync").value, "off");
}

TEST_F(ShowConfig, ShowsThePathOfASecretAndNeverTheSecret) {
  const EffectiveConfig config = read("");
  EXPECT_EQ(option(config, "secret_file").value, (directory_ / "secret").string());
  for (const EffectiveOption& one : config.options) {
    EXPECT_EQ(one.value.find("a-very-secret-word"), std::string::npos) << one.name;
  }
}

TEST(RenderedValues, AreReadAsPostgresReadsThem) {
  const auto values = rendered_values("# a comment = 1\n\nport = '15432'\nx = 'it''s \\\\ so'\n");
  EXPECT_EQ(values.size(), 2U);
  EXPECT_EQ(values.at("port"), "15432");
  EXPECT_EQ(values.at("x"), "it's \\ so");
}

}  // namespace
}  // namespace evergres::cli
