#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/pair.hpp"
#include "postgres/promotion.hpp"
#include "postgres/receiver.hpp"
#include "postgres/rewind.hpp"

namespace evergres::postgres::test {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The server was promoted, and ends on timeline 2 somewhere behind `parting`.
void keeps_what_goes(const Server& server, Lsn parting) {
  const auto keep = [&](std::vector<core::Position> parts, Lsn from) {
    return keep_tail(server, parts, from, soon());
  };
  ASSERT_TRUE(keep({{TimelineId{7}, parting}}, parting).ok());
  EXPECT_FALSE(fs::exists(server.tails())) << "nothing of that timeline is here";

  const core::Position end{TimelineId{2}, Lsn{parting.value + 1}};
  ASSERT_TRUE(keep({end, {TimelineId{1}, Lsn{1}}}, parting).ok());
  const fs::path tail = server.tails() / names_in(server.tails()).at(0);
  const auto segments = names_in(tail);
  ASSERT_EQ(segments.size(), 1U) << "neither what is there for later use nor what stays";
  EXPECT_TRUE(segments.front().starts_with("00000002"));

  const fs::path hidden = server.wal() / "hidden";
  fs::rename(server.wal() / segments.front(), hidden);
  fs::create_directory(server.wal() / segments.front());  // so that it cannot be read
  EXPECT_FALSE(keep({end}, parting).ok());
  fs::remove(server.wal() / segments.front());
  fs::rename(hidden, server.wal() / segments.front());
  EXPECT_EQ(names_in(server.tails()).size(), 1U) << "half a tail needs room and says little";
  EXPECT_EQ(names_in(tail), segments) << "the one before is whole, and stays";

  for (std::uint64_t earlier = 4; earlier > 0; --earlier) {
    ASSERT_TRUE(keep({end}, Lsn{parting.value - earlier}).ok());
  }
  EXPECT_EQ(names_in(server.tails()).size(), 3U);
}

TEST_F(Story, DivergedServerRewindsAndIsReplacedByAClone) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  ASSERT_TRUE(write_upstream(b.server, {}).ok());
  ASSERT_TRUE(cut_receiver(b.postmaster(), soon()).ok());
  ASSERT_NO_FATAL_FAILURE(b.promote());
  b.ask("INSERT INTO public.t SELECT generate_series(1, 7)");
  auto session = b.session();
  ASSERT_TRUE(checkpoint(session, soon()).ok());
  a.ask("INSERT INTO public.t SELECT generate_series(1, 5000)");

  RewindRequest request;
  request.source = b.as_upstream("");
  request.incarnation = Incarnation("a2");
  request.configuration = a.configuration;
  request.major = 15;
  const auto running = rewind(a.server, request, {}, soon());
  ASSERT_FALSE(running.ok());
  EXPECT_EQ(running.error().message(), "pg_rewind needs a server that was stopped cleanly");
  a.stop("fast");
  EXPECT_EQ(rewind(a.server, request, {}, soon()).error().message(),
            "the rewind was not announced");

  Upstream nobody = request.source;
  nobody.port = a.server.port;  // that of the server that was stopped
  const auto unreached = rehearse_rewind(a.server, nobody, {}, soon(60));
  ASSERT_FALSE(unreached.ok());
  EXPECT_EQ(unreached.error().hint(), "Nothing was changed yet.");
  const auto rehearsed = rehearse_rewind(a.server, request.source, {}, soon(60));
  ASSERT_TRUE(rehearsed.ok()) << rehearsed.error().for_people();
  EXPECT_EQ(inspect(a.server, major_version())->kind, DataKind::ours) << "nothing was given up";
  EXPECT_FALSE(std::filesystem::exists(a.server.source_file()));

  const auto history = read_history(b.server, TimelineId{3});
  ASSERT_TRUE(history.ok());
  const Lsn parting = history->back().switch_lsn;
  ASSERT_NO_FATAL_FAILURE(keeps_what_goes(a.server, parting));
  ASSERT_TRUE(replace_incarnation(a.server.data, a.server.node, request.incarnation).ok());
  ASSERT_TRUE(write_rebuilding(a.server, {"rewind", request.incarnation}).ok());
  EXPECT_EQ(inspect(a.server, major_version())->kind, DataKind::incomplete);
  const auto done = rewind(a.server, request, {}, soon(120));
  ASSERT_TRUE(done.ok()) << done.error().for_people();
  EXPECT_TRUE(read_rebuilding(a.server)->has_value());
  EXPECT_EQ(*read_incarnation(a.server.data, a.server.node), request.incarnation);
  ASSERT_NO_FATAL_FAILURE(a.follow(b, "evg_a_2"));
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_TRUE(catches_up(b, "evg_a_2"));
  EXPECT_TRUE(eventually([&] { return a.ask("SELECT count(*) FROM public.t") == "7"; }));
  EXPECT_EQ(a.observe().timeline, TimelineId{3});
  // Only now is it as whole as its source was; the clone below meets a sentinel left by a rewind.
  ASSERT_TRUE(remove_rebuilding(a.server).ok());
  EXPECT_EQ(inspect(a.server, major_version())->kind, DataKind::ours);
  ASSERT_TRUE(write_rebuilding(a.server, {"rewind", Incarnation("a2")}).ok());

  a.stop("immediate");
  ASSERT_NO_FATAL_FAILURE(a.clone_from(b, "a3"));
  EXPECT_EQ(*read_incarnation(a.server.data, a.server.node), Incarnation("a3"));
  EXPECT_TRUE(std::filesystem::exists(a.server.beside("replaced-a3")));
  EXPECT_TRUE(remove_replaced(a.server).ok());
  EXPECT_FALSE(std::filesystem::exists(a.server.beside("replaced-a3")));
  EXPECT_FALSE(std::filesystem::exists(a.server.beside("clone-a3")));
  EXPECT_EQ(inspect(a.server, major_version())->kind, DataKind::ours);
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_TRUE(catches_up(b, "evg_a_2"));
  EXPECT_EQ(a.ask("SELECT count(*) FROM public.t"), "7");
}

}  // namespace

}  // namespace evergres::postgres::test
