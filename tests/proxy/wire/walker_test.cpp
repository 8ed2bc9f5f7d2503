#include "proxy/wire/walker.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

using namespace std::string_literals;

/// A header that claims `body` bytes.
std::string header(char type, std::uint32_t body) {
  const std::uint32_t length = body + 4;
  std::string bytes(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(length >> shift);
  return bytes;
}

TEST(Walker, HandsOutWholeMessagesAndKeepsWhatIsIncomplete) {
  std::string bytes;
  write_parse(bytes, "s", "select 1");
  write_sync(bytes);
  bytes += "D";
  Walker walker(Side::frontend, Phase::session);
  std::string_view input = bytes;
  const Frame parse = walker.next(input);
  EXPECT_EQ(parse.kind, FrameKind::whole);
  EXPECT_EQ(parse.type, 'P');
  EXPECT_EQ(read_parse(parse.payload())->sql, "select 1");
  const Frame sync = walker.next(input);
  EXPECT_EQ(sync.kind, FrameKind::whole);
  EXPECT_EQ(sync.payload(), "");
  const Frame rest = walker.next(input);
  EXPECT_EQ(rest.kind, FrameKind::more);
  EXPECT_EQ(rest.lacking, 4U);
  EXPECT_EQ(input, "D");
  EXPECT_TRUE(walker.between_messages());
}

TEST(Walker, PassesLongMessagesOnAsTheyComeWithTheirHeadTogether) {
  std::string bind;
  BindView view;
  view.portal = "p";
  view.statement = "s";
  const std::uint32_t body = 50'000;
  write_renamed_bind(bind, view, "s", body);
  Walker walker(Side::frontend, Phase::session);
  std::string arrived = bind + std::string(1'000, 'v');
  std::string_view input = arrived;
  const Frame waits = walker.next(input);
  EXPECT_EQ(waits.kind, FrameKind::more);
  EXPECT_EQ(waits.lacking + arrived.size(), header_bytes + 8'192U);
  arrived += std::string(20'000, 'v');
  input = arrived;
  const Frame head = walker.next(input);
  EXPECT_EQ(head.kind, FrameKind::piece);
  EXPECT_TRUE(head.first);
  EXPECT_FALSE(head.last);
  EXPECT_EQ(read_bind(head.payload())->portal, "p");
  EXPECT_FALSE(walker.between_messages());
  const std::string tail(header_bytes + body - arrived.size(), 'v');
  const std::string next = tail + header('S', 0);
  input = next;
  const Frame end = walker.next(input);
  EXPECT_EQ(end.kind, FrameKind::piece);
  EXPECT_TRUE(end.last);
  EXPECT_EQ(end.bytes.size(), tail.size());
  EXPECT_TRUE(walker.between_messages());
  EXPECT_EQ(walker.next(input).type, 'S');
}

struct Refusal {
  Side side;
  Phase phase;
  std::string bytes;
  std::string why;
};

TEST(Walker, RefusesWhatNoPeerSendsAndStaysRefusing) {
  const std::vector<Refusal> cases{
      {Side::frontend, Phase::login, "Q", "a message of this type may not come here"},
      {Side::frontend, Phase::session, "p", "a message of this type may not come here"},
      {Side::frontend, Phase::session, "\x16\x03\x01", "a message of this type may not come here"},
      {Side::frontend, Phase::session, "GET / HTTP", "a message of this type may not come here"},
      {Side::backend, Phase::session, "R", "a message of this type may not come here"},
      {Side::backend, Phase::session, "K", "a message of this type may not come here"},
      {Side::backend, Phase::login, "D", "a message of this type may not come here"},
      {Side::frontend, Phase::session, "Q\0\0\0\3"s,
       "a message is shorter than its own length word"},
      {Side::frontend, Phase::session, "Q\0\0\0\4"s, "a message is too short for its type"},
      {Side::frontend, Phase::session, "Q\xff\xff\xff\xff"s, "a message is too long for its type"},
      {Side::frontend, Phase::session, "Q\x7f\xff\xff\xff"s, "a message is too long for its type"},
      {Side::frontend, Phase::session, header('S', 1), "a message is too long for its type"},
      {Side::frontend, Phase::session, header('C', 10'001), "a message is too long for its type"},
      {Side::frontend, Phase::login, header('p', 65'536), "a message is too long for its type"},
      {Side::backend, Phase::session, header('Z', 2), "a message is too long for its type"},
      {Side::backend, Phase::login, header('K', 261), "a message is too long for its type"},
      {Side::backend, Phase::session, header('C', 30'001), "a message is too long for its type"},
  };
  for (const Refusal& refusal : cases) {
    Walker walker(refusal.side, refusal.phase);
    std::string_view input = refusal.bytes;
    const Frame frame = walker.next(input);
    EXPECT_EQ(frame.kind, FrameKind::violation) << refusal.bytes;
    EXPECT_EQ(frame.why, refusal.why) << refusal.bytes;
    std::string good;
    write_sync(good);
    input = good;
    EXPECT_EQ(walker.next(input).kind, FrameKind::violation);
    EXPECT_FALSE(walker.between_messages());
  }
}

TEST(Walker, TakesTheLongestThatPostgresqlTakes) {
  for (const auto& [side, type, body] :
       std::vector<std::tuple<Side, char, std::uint32_t>>{{Side::frontend, 'd', large_message},
                                                          {Side::frontend, 'B', large_message},
                                                          {Side::backend, 'D', large_message},
                                                          {Side::backend, 't', 2 + 4 * 65'535}}) {
    Walker walker(side, Phase::session);
    const std::string bytes = header(type, body) + std::string(9'000, 'x');
    std::string_view input = bytes;
    const Frame frame = walker.next(input);
    EXPECT_EQ(frame.kind, FrameKind::piece) << type;
    EXPECT_EQ(frame.body, body);
    EXPECT_TRUE(input.empty());
  }
}

}  // namespace
}  // namespace evergres::proxy
