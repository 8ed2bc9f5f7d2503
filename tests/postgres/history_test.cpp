#include "postgres/history.hpp"

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "postgres/world.hpp"

namespace evergres::postgres::test {

namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TimelineId>;

/// The history files of a server that never runs.
class Histories : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    const fs::path path = node.server.wal() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  TemporaryDirectory root;
  Node node{root.path(), "a"};
};

TEST_F(Histories, OnesThatAStartCannotFollowGoFromTheNewestDown) {
  ControlFile control;
  control.timeline = control.minimum_recovery_timeline = TimelineId{3};
  control.checkpoint = Lsn{0x5000028};
  control.minimum_recovery_end = Lsn{0x6000000};
  put("00000002.history", "1\t0/3000000\tx\n");
  put("00000003.history", "1\t0/3000000\tx\n");
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{}) << "2 is below";
  put("00000004.history", "# evergres reserved\n");
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{}) << "every start removes 4";
  put("00000005.history", "1\t0/3000000\tx\n3\t0/6000000\tx\n");
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{}) << "4 is on nobody's way";
  put("00000006.history", "1\t0/3000000\tx\n3\t0/5FFFFFF\tx\n");  // left before the least end
  put("00000007.history", "# evergres reserved\n");
  put("00000008.history", "1\t0/3000000\tx\n3\t0/5000028\tx\n");  // left at the checkpoint
  put("0000000A.history", "1\t0/3000000\tx\n");                   // nobody seeks behind a gap
  EXPECT_EQ(*what_is_no_child(node.server, control),
            (Ids{TimelineId{8}, TimelineId{7}, TimelineId{6}}));
  put("00000008.history", "what is this?\n");
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{}) << "PostgreSQL says more";
  control.minimum_recovery_end = Lsn{0};  // of a primary that was stopped or has crashed
  control.minimum_recovery_timeline = TimelineId{0};
  put("00000008.history", "1\t0/3000000\tx\n3\t0/5000029\tx\n");
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{});
}

TEST_F(Histories, PlaceholdersLieBelowTheTimelineOfAClone) {
  const fs::path wal = node.server.wal();
  fs::create_directories(wal);
  ASSERT_TRUE(reserve_below_newest(node.server)) << "of a clone on timeline 1";
  put("00000002.history", "1\t0/3000000\tx\n");
  put("00000006.history", "1\t0/3000000\tx\n2\t0/5000000\tx\n");
  put("00000004.history", "1\t0/3000000\tx\n");  // promoted by hand: it stays
  ASSERT_TRUE(reserve_below_newest(node.server));
  EXPECT_EQ(*reserved_histories(node.server), (Ids{TimelineId{3}, TimelineId{5}}));
  EXPECT_EQ(*read_file(wal / "00000004.history"), "1\t0/3000000\tx\n");
  EXPECT_TRUE(read_history(node.server, TimelineId{5})->empty());
}

}  // namespace

}  // namespace evergres::postgres::test
