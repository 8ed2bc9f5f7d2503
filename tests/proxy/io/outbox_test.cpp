#include "proxy/io/outbox.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace evergres::proxy {
namespace {

struct OutboxTest : testing::Test {
  struct Client final : Addressee {
    Client(std::string& into, char called) : all(into), name(called) {}
    void deliver(std::string_view bytes) override {
      all.append(1, name).append(":").append(bytes).append(" ");
    }
    std::string& all;
    char name;
  };
  void put(Client& to, std::string_view bytes) {
    batch.pass(bytes);
    outbox.put(to, batch);
    EXPECT_TRUE(batch.empty());
  }

  std::string told;
  Client a{told, 'a'}, b{told, 'b'}, c{told, 'c'};
  Batch batch;
  Outbox outbox;
};

TEST_F(OutboxTest, NothingIsToldBeforeItIsSentAndThenInTheOrderOfThePuts) {
  put(b, "1");
  put(a, "2");
  put(c, "3");
  EXPECT_EQ(told, "");
  outbox.send();
  EXPECT_EQ(told, "b:1 a:2 c:3 ");
  outbox.send();
  EXPECT_EQ(told, "b:1 a:2 c:3 ") << "once";
}

TEST_F(OutboxTest, WhatWasViewedMayChangeMeanwhile) {
  std::string read = "first";
  batch.pass(read);
  batch.add([](std::string& to) { to += "+ours"; });
  outbox.put(a, batch);
  read.assign("other");
  put(b, read);
  outbox.send();
  EXPECT_EQ(told, "a:first+ours b:other ");
}

TEST_F(OutboxTest, WhatOneIsToldTogetherIsOneDelivery) {
  put(a, "1");
  put(a, "2");
  put(b, "3");
  put(a, "4");
  put(c, "");
  outbox.send();
  EXPECT_EQ(told, "a:12 b:3 a:4 ");
}

TEST_F(OutboxTest, WhoeverIsGoneIsToldNothing) {
  put(a, "1");
  put(b, "2");
  put(a, "3");
  outbox.forget(a);
  put(c, "4");
  outbox.send();
  EXPECT_EQ(told, "b:2 c:4 ");
}

TEST_F(OutboxTest, ItHoldsNoMoreThanAFewOfTheLongest) {
  const std::string large(Outbox::longest, 'x');
  put(a, "1");
  put(b, large);
  put(b, large);
  put(b, large);
  EXPECT_EQ(told, "");
  put(c, large);
  EXPECT_EQ(told.substr(0, 4), "a:1 ") << "what came first was sent, to make room";
  EXPECT_EQ(told.find("c:"), std::string::npos);
  outbox.send();
  EXPECT_NE(told.find("c:"), std::string::npos);
}

}  // namespace
}  // namespace evergres::proxy
