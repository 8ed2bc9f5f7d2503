#include "postgres/history.hpp"

#include <sys/stat.h>

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

TEST_F(Histories, OnesThatAllOfTheWalPassedByGo) {
  ControlFile control;  // its last restartpoint was before the timelines parted
  control.timeline = control.minimum_recovery_timeline = TimelineId{3};
  control.checkpoint = Lsn{0x5000028};
  control.minimum_recovery_end = Lsn{0x5000100};
  put("00000003.history", "1\t0/3000000\tx\n");
  put("00000004.history", "# evergres reserved\n");
  put("00000005.history", "1\t0/3000000\tx\n3\t0/6000000\tx\n");
  const auto with = [&](std::uint32_t timeline, std::uint64_t end) {
    return *what_is_no_child(node.server, control, WalEnd{TimelineId{timeline}, Lsn{end}});
  };
  EXPECT_EQ(*what_is_no_child(node.server, control), Ids{});
  EXPECT_EQ(with(3, 0x5000200), Ids{}) << "it may still get there";
  EXPECT_EQ(with(3, 0x6000000), Ids{}) << "it got there";
  EXPECT_EQ(with(5, 0x6000000), Ids{}) << "the same place";
  EXPECT_EQ(with(5, 0x6000001), Ids{}) << "it went on to it";
  EXPECT_EQ(with(3, 0x6000001), (Ids{TimelineId{5}, TimelineId{4}})) << "it went on without it";
  put("00000006.history", "1\t0/3000000\tx\n3\t0/6000200\tx\n");
  EXPECT_EQ(with(3, 0x6000001), (Ids{TimelineId{6}, TimelineId{5}, TimelineId{4}}))
      << "5 may be followed, and then 6 was not adopted: it is no child of 5";
  EXPECT_EQ(with(3, 0x6000201), (Ids{TimelineId{6}, TimelineId{5}, TimelineId{4}}));
  EXPECT_EQ(with(5, 0x6000201), Ids{TimelineId{6}});
  put("00000006.history", "1\t0/3000000\tx\n3\t0/6000000\tx\n5\t0/6000200\tx\n");
  EXPECT_EQ(with(5, 0x6000200), Ids{});
  EXPECT_EQ(with(5, 0x6000201), Ids{TimelineId{6}});
  EXPECT_EQ(with(6, 0x6000201), Ids{}) << "what is below was gone through, or is dead";
  put("00000006.history", "# evergres reserved\n");
  put("00000007.history", "1\t0/3000000\tx\n3\t0/5000180\tx\n");
  EXPECT_EQ(with(3, 0x5000200), (Ids{TimelineId{7}, TimelineId{6}})) << "5 is ahead, 7 is not";
  fs::remove(node.server.wal() / "00000007.history");
  put("00000006.history", "what is this?\n");
  EXPECT_EQ(with(3, 0x6000000), Ids{}) << "PostgreSQL says more";
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

TEST_F(Histories, AnAttemptAfterAnotherWritesOnlyWhatIsMissing) {
  const fs::path wal = node.server.wal();
  fs::create_directories(wal);
  ASSERT_TRUE(reserve_history(node.server, TimelineId{1}, TimelineId{4}));
  const auto written = fs::last_write_time(wal / "00000002.history");
  const auto inode = [&](const char* name) {
    struct stat status {};
    EXPECT_EQ(::stat((wal / name).c_str(), &status), 0);
    return status.st_ino;
  };
  const auto before = inode("00000003.history");
  put("00000005.history", "1\t0/3000000\tx\n");  // somebody promoted it by hand
  ASSERT_TRUE(reserve_history(node.server, TimelineId{1}, TimelineId{7}));
  EXPECT_EQ(inode("00000003.history"), before);
  EXPECT_EQ(fs::last_write_time(wal / "00000002.history"), written);
  EXPECT_EQ(*read_file(wal / "00000005.history"), "1\t0/3000000\tx\n");
  EXPECT_EQ(*reserved_histories(node.server),
            (Ids{TimelineId{2}, TimelineId{3}, TimelineId{4}, TimelineId{6}}));
  EXPECT_EQ(reserve_history(node.server, TimelineId{1}, TimelineId{5}).error().code(),
            ErrorCode::already_exists);
  EXPECT_EQ(reserve_history(node.server, TimelineId{1}, TimelineId{2003}).error().code(),
            ErrorCode::usage)
      << "2001 between";
}

TEST_F(Histories, AFileIsCreatedOnlyWhereNoneIs) {
  const fs::path folder = root.path() / "files";
  fs::create_directory(folder);
  const fs::path path = folder / "it";
  EXPECT_EQ(*create_file_durably(path, "one", 0600), true);
  EXPECT_EQ(*create_file_durably(path, "two", 0600), false);
  EXPECT_EQ(*read_file(path), "one");
  EXPECT_EQ(create_file_durably(root.path() / "no" / "such", "x", 0600).error().code(),
            ErrorCode::not_found);
  const auto left = std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  EXPECT_EQ(left, 1) << "a temporary file is left";
}

}  // namespace

}  // namespace evergres::postgres::test
