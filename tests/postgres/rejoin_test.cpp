#include <filesystem>

#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/pair.hpp"
#include "postgres/promotion.hpp"
#include "postgres/receiver.hpp"
#include "postgres/rewind.hpp"

namespace evergres::postgres::test {

namespace {

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
  const auto tail = keep_tail(a.server, TimelineId{2}, history->back().switch_lsn, soon());
  ASSERT_TRUE(tail.ok()) << tail.error().for_people();
  EXPECT_FALSE(std::filesystem::is_empty(a.server.tails()));
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
