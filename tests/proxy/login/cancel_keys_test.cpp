#include "proxy/login/cancel_keys.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

const Key cluster = sha256("of this cluster");
constexpr ProtocolVersion older{3, 0};

SessionIdentity session(std::uint32_t slot = 77, std::uint64_t number = 1'000'001) {
  return SessionIdentity{slot, number, {'a', '\0', 'c', 'd'}};
}

CancelRequest back(const CancelKey& key) {
  return CancelRequest{key.pid, key.key};
}

TEST(CancelKeys, ComeBackAsTheSessionThatGotThem) {
  for (const std::uint16_t proxy : {std::uint16_t{1}, std::uint16_t{2047}}) {
    const CancelKeys keys(proxy, 5, cluster);
    for (const std::uint32_t slot : {0U, 77U, CancelKeys::slots_most - 1}) {
      for (const ProtocolVersion spoken : {older, newest_protocol}) {
        const CancelKey issued = keys.issue(session(slot), spoken);
        EXPECT_GT(issued.pid, 0);
        EXPECT_EQ(issued.key.size(), spoken == older ? 4U : 40U);
        const CancelMeaning meaning = keys.read(back(issued));
        ASSERT_TRUE(std::holds_alternative<OwnSession>(meaning));
        EXPECT_EQ(std::get<OwnSession>(meaning).slot, slot);
        EXPECT_TRUE(CancelKeys::names(std::get<OwnSession>(meaning), session(slot)));
      }
    }
  }
}

TEST(CancelKeys, WhoHasTheSlotNowIsNotMeant) {
  const CancelKeys keys(3, 5, cluster);
  SessionIdentity next = session();
  next.number += 1;
  next.secret = {'x', 'y', 'z', '!'};
  for (const ProtocolVersion spoken : {older, newest_protocol}) {
    const CancelMeaning meaning = keys.read(back(keys.issue(session(), spoken)));
    EXPECT_FALSE(CancelKeys::names(std::get<OwnSession>(meaning), next));
  }
}

TEST(CancelKeys, NoBitOfALongOneMayBeAnother) {
  const CancelKeys keys(3, 5, cluster);
  const CancelKey issued = keys.issue(session(), newest_protocol);
  for (std::size_t bit = 0; bit < issued.key.size() * 8; ++bit) {
    CancelKey forged = issued;
    forged.key[bit / 8] = static_cast<char>(forged.key[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(std::holds_alternative<NobodysSession>(keys.read(back(forged)))) << bit;
  }
  CancelKey elsewhere = issued;
  elsewhere.pid += 1;
  EXPECT_TRUE(std::holds_alternative<NobodysSession>(keys.read(back(elsewhere))));
  const CancelKeys strangers(3, 5, sha256("of another cluster"));
  EXPECT_TRUE(std::holds_alternative<NobodysSession>(strangers.read(back(issued))));
}

TEST(CancelKeys, OfAnEarlierRunNameNoSessionHere) {
  const CancelKeys before(3, 5, cluster);
  const CancelKeys after(3, 6, cluster);
  const CancelRequest request = back(before.issue(session(), newest_protocol));
  // Perhaps one of another endpoint with this number.
  const CancelMeaning meaning = after.read(request);
  ASSERT_TRUE(std::holds_alternative<OtherProxy>(meaning));
  EXPECT_EQ(std::get<OtherProxy>(meaning).proxy, 3);
  const CancelKeys twin(3, 7, cluster);
  const auto passed = twin.forward(request);
  ASSERT_TRUE(passed);
  EXPECT_TRUE(std::holds_alternative<NobodysSession>(after.read(*passed)));
  EXPECT_TRUE(std::holds_alternative<OwnSession>(before.read(*passed)));
}

TEST(CancelKeys, OfAnotherProxyArePassedOnOnce) {
  const CancelKeys here(3, 5, cluster);
  const CancelKeys there(4, 9, cluster);
  const CancelKeys third(5, 9, cluster);
  for (const ProtocolVersion spoken : {older, newest_protocol}) {
    const CancelRequest request = back(there.issue(session(), spoken));
    const CancelMeaning meaning = here.read(request);
    ASSERT_TRUE(std::holds_alternative<OtherProxy>(meaning));
    EXPECT_EQ(std::get<OtherProxy>(meaning).proxy, 4);
    const auto passed = here.forward(request);
    ASSERT_TRUE(passed);
    const CancelMeaning arrived = there.read(*passed);
    ASSERT_TRUE(std::holds_alternative<OwnSession>(arrived));
    EXPECT_TRUE(CancelKeys::names(std::get<OwnSession>(arrived), session()));
    EXPECT_TRUE(std::holds_alternative<NobodysSession>(third.read(*passed))) << "no circles";
    EXPECT_FALSE(third.forward(*passed));
    CancelRequest forged = *passed;
    forged.key.back() = static_cast<char>(forged.key.back() ^ 1);
    EXPECT_TRUE(std::holds_alternative<NobodysSession>(there.read(forged)));
  }
}

TEST(CancelKeys, WhatNobodyIssuedNamesNobody) {
  const CancelKeys keys(3, 5, cluster);
  for (const std::size_t size : {4U, 5U, 22U, 32U, 39U, 41U, 58U, 256U}) {
    const CancelRequest negative{-1, std::string(size, '\2')};
    EXPECT_TRUE(std::holds_alternative<NobodysSession>(keys.read(negative))) << size;
    const CancelRequest nowhere{0, std::string(size, '\2')};
    EXPECT_TRUE(std::holds_alternative<NobodysSession>(keys.read(nowhere))) << size;
  }
}

}  // namespace
}  // namespace evergres::proxy
