#include "proxy/session/ledger.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

#include "proxy/dice.hpp"

namespace evergres::proxy {
namespace {

using To = Answer::To;

struct Conversation {
  Ledger ledger{1'000};
  std::vector<Owed> skipped;

  void send(std::string_view types, Owner owner = Owner::client) {
    for (const char type : types) ledger.sent(Owed{type, owner, Target::portal, 0}, skipped);
  }
  Answer hear(char type, std::string_view status = "I") {
    return ledger.received(type, status, skipped);
  }
  std::string skips() const {
    std::string types;
    for (const Owed& owed : skipped) types += owed.type;
    return types;
  }
};

TEST(Ledger, AServerIsFreeOnlyWhenTheLastOfAPipelineIsAnswered) {
  Conversation talk;
  EXPECT_TRUE(talk.ledger.releasable());
  talk.send("PBESPBES");
  for (const char type : std::string("12C")) EXPECT_EQ(talk.hear(type).to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_FALSE(talk.ledger.releasable()) << "the first ReadyForQuery of two";
  for (const char type : std::string("12C")) EXPECT_EQ(talk.hear(type).to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, AnOpenOrFailedTransactionKeepsItsServer) {
  Conversation talk;
  talk.send("Q");
  talk.hear('C');
  EXPECT_EQ(talk.hear('Z', "T").to, To::client);
  EXPECT_FALSE(talk.ledger.releasable());
  talk.send("Q");
  talk.hear('E');
  talk.hear('Z', "E");
  EXPECT_EQ(talk.ledger.status(), TransactionStatus::failed);
  EXPECT_FALSE(talk.ledger.releasable());
}

TEST(Ledger, ATransactionThatWaitsForItsSyncKeepsItsServer) {
  Conversation talk;
  talk.send("PBEH");
  for (const char type : std::string("12C")) talk.hear(type);
  EXPECT_EQ(talk.ledger.owed(), 0U);
  EXPECT_FALSE(talk.ledger.releasable()) << "what it executed is not committed";
  talk.send("S");
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, EachCopyOfAQueryHasItsOwnEnd) {
  Conversation talk;
  talk.send("Q");
  talk.hear('G');
  talk.send("dc");
  EXPECT_EQ(talk.hear('C').to, To::client);
  EXPECT_EQ(talk.hear('G').to, To::client);
  EXPECT_TRUE(talk.ledger.takes_copy_data()) << "the end of the first was read";
  talk.send("SdcS");
  EXPECT_EQ(talk.hear('C').to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_FALSE(talk.ledger.releasable()) << "the Sync behind the end is answered";
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, ASyncInACopyThatFailedEndsTheSkipping) {
  Conversation talk;
  talk.send("PBES");
  for (const char type : std::string("12G")) talk.hear(type);
  talk.send("d");
  EXPECT_EQ(talk.hear('E').to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready) << "the Sync was read behind the error";
  talk.send("PS");
  EXPECT_EQ(talk.skips(), "E") << "the COPY, and not the Parse";
  EXPECT_EQ(talk.hear('1').to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, WhatWeAskedIsSwallowedAndWhatTheClientAskedIsNot) {
  Conversation talk;
  talk.send("PBES", Owner::us);
  talk.send("Q");
  for (const char type : std::string("12DC")) EXPECT_EQ(talk.hear(type).to, To::nobody);
  EXPECT_EQ(talk.hear('S').to, To::aside);
  EXPECT_EQ(talk.hear('Z').to, To::nobody);
  EXPECT_EQ(talk.hear('C').to, To::client);
  EXPECT_EQ(talk.hear('Z').to, To::client);
}

TEST(Ledger, AnErrorSkipsUpToTheNextSyncAndSaysWhat) {
  Conversation talk;
  talk.send("P", Owner::us);
  talk.send("BDES");
  talk.send("PBES");
  EXPECT_EQ(talk.hear('E').to, To::nobody) << "our Parse failed";
  EXPECT_EQ(talk.skips(), "PBDE");
  EXPECT_TRUE(talk.hear('Z').ready);
  for (const char type : std::string("12C")) EXPECT_EQ(talk.hear(type).to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, AfterAnErrorWhatIsSentBeforeASyncIsSkippedToo) {
  Conversation talk;
  talk.send("P");
  EXPECT_EQ(talk.hear('E').to, To::client);
  EXPECT_FALSE(talk.ledger.releasable()) << "the server waits for a Sync";
  talk.send("BEQ");
  EXPECT_EQ(talk.skips(), "PBEQ") << "a Query is skipped as well";
  talk.send("S");
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, InCopyInSyncIsIgnoredAsLibpqSendsIt) {
  Conversation talk;
  talk.send("PBDES");
  for (const char type : std::string("12nG")) EXPECT_EQ(talk.hear(type).to, To::client);
  EXPECT_TRUE(talk.ledger.takes_copy_data());
  talk.send("ddcS");
  EXPECT_EQ(talk.hear('C').to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
  EXPECT_EQ(talk.hear('Z').to, To::violation) << "there was one answer for two Syncs";
}

TEST(Ledger, LateDataOfACopyThatFailedIsNothing) {
  Conversation talk;
  talk.send("Q");
  talk.hear('G');
  talk.send("d");
  EXPECT_EQ(talk.hear('E').to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
  talk.send("ddc");
  EXPECT_TRUE(talk.ledger.releasable());
}

TEST(Ledger, CopyOutAndBoth) {
  Conversation talk;
  talk.send("Q");
  for (const char type : std::string("HddcC")) EXPECT_EQ(talk.hear(type).to, To::client);
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_TRUE(talk.ledger.releasable());
  talk.send("Q");
  talk.hear('W');
  EXPECT_FALSE(talk.ledger.releasable());
  EXPECT_EQ(talk.hear('d').to, To::client);
  EXPECT_TRUE(talk.ledger.takes_copy_data());
}

/// A COPY with a Sync in it, as libpq sends it in the extended protocol, and its error.
Conversation failed_copy() {
  Conversation talk;
  talk.send("PBES");
  for (const char type : std::string("12G")) talk.hear(type);
  talk.send("d");
  EXPECT_EQ(talk.hear('E').to, To::client) << "had the server read the Sync before?";
  EXPECT_TRUE(talk.ledger.doubtful());
  talk.send("cS");
  EXPECT_TRUE(talk.hear('Z').ready);
  EXPECT_FALSE(talk.ledger.releasable()) << "there may be another ReadyForQuery";
  return talk;
}

TEST(Ledger, AnEmptyQuerySettlesWhetherASyncWasAnswered) {
  for (const bool answered : {false, true}) {
    Conversation talk = failed_copy();
    talk.send("Q", Owner::us);
    if (answered) {
      EXPECT_EQ(talk.hear('Z').to, To::client);
    }
    EXPECT_EQ(talk.hear('I').to, To::nobody);
    EXPECT_EQ(talk.hear('Z').to, To::nobody);
    EXPECT_FALSE(talk.ledger.doubtful());
    EXPECT_TRUE(talk.ledger.releasable());
  }
}

TEST(Ledger, TheClientsNextRequestSettlesItToo) {
  for (const bool answered : {false, true}) {
    Conversation talk = failed_copy();
    talk.send("PS");
    if (answered) {
      EXPECT_TRUE(talk.hear('Z').ready);
    }
    EXPECT_EQ(talk.hear('E').to, To::client) << "the error of its Parse";
    EXPECT_TRUE(talk.hear('Z').ready);
    EXPECT_TRUE(talk.ledger.releasable());
  }
}

TEST(Ledger, WhatCannotBeKnownIsAViolation) {
  Conversation talk;
  talk.send("PBESPBES");
  for (const char type : std::string("12G")) talk.hear(type);
  EXPECT_EQ(talk.hear('E').to, To::violation) << "were the second Parse and Bind executed?";
}

TEST(Ledger, AnswersToNothingAreViolations) {
  for (const char type : std::string("123CDGHITVWZcdnst")) {
    Conversation talk;
    EXPECT_EQ(talk.hear(type).to, To::violation) << type;
  }
  Conversation talk;
  talk.send("P");
  EXPECT_EQ(talk.hear('2').to, To::violation);
  EXPECT_EQ(talk.hear('Z').to, To::violation) << "before its Sync was sent";
  Conversation other;
  other.send("Q");
  EXPECT_EQ(other.hear('Z', "x").to, To::violation);
  EXPECT_EQ(other.hear('d').to, To::violation) << "no COPY began";
}

TEST(Ledger, AnErrorThatAnswersNothingIsTheServersEnd) {
  Conversation talk;
  EXPECT_TRUE(talk.hear('E').unsolicited);
  talk.send("P");
  talk.hear('E');
  EXPECT_TRUE(talk.hear('E').unsolicited) << "also while it waits for a Sync";
}

TEST(Ledger, IsBounded) {
  Ledger ledger(3);
  std::vector<Owed> skipped;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(ledger.full());
    ledger.sent(Owed{'Q', Owner::client, Target::statement, 0}, skipped);
  }
  EXPECT_TRUE(ledger.full());
  EXPECT_FALSE(ledger.wants_flush()) << "a Query is answered at once";
}

TEST(Ledger, WhenItIsFullOfWhatTheServerKeepsItWantsAFlush) {
  Ledger ledger(3);
  std::vector<Owed> skipped;
  for (const char type : std::string("PBE")) {
    EXPECT_FALSE(ledger.wants_flush());
    ledger.sent(Owed{type, Owner::client, Target::statement, 0}, skipped);
  }
  EXPECT_TRUE(ledger.wants_flush());
  ledger.sent(Owed{'H', Owner::us, Target::statement, 0}, skipped);
  EXPECT_TRUE(ledger.full());
  EXPECT_FALSE(ledger.wants_flush()) << "once is enough";
}

TEST(Ledger, SyncsInACopyAreBounded) {
  for (const int syncs : {3, 4}) {
    Ledger ledger(3);
    std::vector<Owed> skipped;
    const auto send = [&](char type) {
      ledger.sent(Owed{type, Owner::client, Target::statement, 0}, skipped);
    };
    send('Q');
    EXPECT_EQ(ledger.received('G', "", skipped).to, To::client);
    for (int i = 0; i < syncs; ++i) send('S');
    send('c');
    EXPECT_EQ(ledger.received('C', "", skipped).to, syncs == 3 ? To::client : To::violation);
    EXPECT_FALSE(ledger.releasable());
  }
}

/// A server as postgres.c reads messages; what it makes of each is thrown with dice.
class SmallServer {
 public:
  explicit SmallServer(Dice& dice) : dice_(dice) {}

  /// What it says to one message, as types.
  std::string read(const Owed& message) {
    if (std::string_view("PBDEC").find(message.type) != std::string_view::npos) unsynced_ = true;
    const std::string answer = judge(message);
    if (answer.ends_with('Z')) unsynced_ = false;
    return answer;
  }

  /// Whether an extended message stands behind the last ReadyForQuery.
  bool unsynced() const { return unsynced_; }

 private:
  std::string judge(const Owed& message) {
    const char type = message.type;
    if (copy_in_) return in_copy(type);
    if (skipping_) {
      if (type != 'S') return "";
      skipping_ = false;
      return "Z";
    }
    switch (type) {
      case 'P': return dice_.below(6) == 0 ? fail() : "1";
      case 'B': return dice_.below(6) == 0 ? fail() : "2";
      case 'C': return "3";
      case 'D': {
        const std::string rows = dice_.below(2) == 0 ? "T" : "n";
        return message.target == Target::statement ? "t" + rows : rows;
      }
      case 'E': return execute(true);
      case 'Q': {
        extended_ = false;
        const std::string answer = execute(false);
        return copy_in_ ? answer : answer + "Z";
      }
      case 'F': return dice_.below(3) == 0 ? "EZ" : "VZ";
      case 'S': return std::exchange(work_, false) && dice_.below(5) == 0 ? "EZ" : "Z";
      default: return "";
    }
  }

  std::string fail() {
    skipping_ = true;
    work_ = false;
    return "E";
  }

  std::string execute(bool extended) {
    work_ = extended;  // a Sync commits it, which may fail
    switch (dice_.below(7)) {
      case 0: return extended ? fail() : "E";
      case 1: return extended ? "DDs" : "TDDC";
      case 2: return "I";
      case 3: return "HddcC";
      case 4:
        copy_in_ = true;
        extended_ = extended;
        return "G";
      default: return extended ? "DC" : "TDCC";
    }
  }

  std::string in_copy(char type) {
    if (type == 'S' || type == 'H') return "";
    if (type == 'd') {
      if (dice_.below(4) != 0) return "";
    } else if (type == 'c' && dice_.below(4) != 0) {
      copy_in_ = false;
      return extended_ ? "C" : "CZ";
    }
    copy_in_ = false;
    return extended_ ? fail() : "EZ";
  }

  Dice& dice_;
  bool skipping_ = false;
  bool copy_in_ = false;
  bool extended_ = false;
  bool work_ = false;
  bool unsynced_ = false;
};

/// One client, one server, and what is on its way between them.
class Line {
 public:
  explicit Line(std::uint64_t seed) : dice_(seed), server_(dice_), seed_(seed) {}

  void run() {
    for (int step = 0; step < 120 && !broken_; ++step) {
      const std::size_t choice = dice_.below(4);
      if (choice == 0 && !there_.empty()) serve();
      if (choice == 1 && !back_.empty()) hear();
      if (choice >= 2) client();
      if (!talk_.ledger.releasable()) continue;
      ++released;
      while (!there_.empty()) serve();
      ASSERT_TRUE(back_.empty()) << "seed " << seed_ << ": released with answers on the way";
      ASSERT_FALSE(server_.unsynced()) << "seed " << seed_ << ": released in a transaction";
    }
    // Whatever happened, the end of the data and a Sync settle it, and then a Query of ours.
    for (const char type : std::string("cSQ")) {
      flush();
      if (broken_) return;
      if (type == 'Q') doubtful += talk_.ledger.doubtful() ? 1 : 0;
      send(type, type == 'Q' ? Owner::us : Owner::client);
    }
    for (int more = 0; more < 3; ++more) {
      flush();
      if (!broken_ && talk_.ledger.owed() > 0) send(talk_.ledger.takes_copy_data() ? 'f' : 'S');
    }
    flush();
    ASSERT_TRUE(broken_ || talk_.ledger.releasable()) << "seed " << seed_;
  }

  int released = 0;
  int doubtful = 0;
  bool closed() const { return broken_; }

 private:
  void serve() {
    for (const char type : server_.read(there_.front())) back_.push_back(type);
    there_.pop_front();
  }

  void hear() {
    const char type = back_.front();
    back_.pop_front();
    const Answer answer = talk_.hear(type);
    // To close a server is always right; it must stay rare.
    broken_ = broken_ || answer.to == To::violation;
    ASSERT_TRUE(broken_ || !answer.unsolicited) << "seed " << seed_;
  }

  void flush() {
    while (!there_.empty()) serve();
    while (!back_.empty() && !broken_) hear();
  }

  void send(char type, Owner owner = Owner::client) {
    const Owed message{type, owner, dice_.below(2) == 0 ? Target::statement : Target::portal, 0};
    talk_.ledger.sent(message, talk_.skipped);
    there_.push_back(message);
  }

  void client() {
    waits_ = waits_ && talk_.ledger.owed() > 0;
    if (talk_.ledger.takes_copy_data()) {
      send("ddddcfS"[dice_.below(7)]);
    } else if (!waits_) {
      const char type = "PBDECSSHQF"[dice_.below(10)];
      send(type);
      // Behind a Query nobody sends anything blindly: it may be a COPY.
      waits_ = type == 'Q' || type == 'F';
    }
  }

  Dice dice_;
  SmallServer server_;
  std::uint64_t seed_;
  Conversation talk_;
  std::deque<Owed> there_;
  std::deque<char> back_;
  bool waits_ = false;
  bool broken_ = false;
};

TEST(Ledger, IsNeverWrongAboutASmallServer) {
  int released = 0;
  int doubtful = 0;
  int closed = 0;
  for (std::uint64_t seed = 0; seed < 3'000 && !HasFatalFailure(); ++seed) {
    Line line(seed);
    line.run();
    released += line.released;
    doubtful += line.doubtful;
    closed += line.closed() ? 1 : 0;
  }
  EXPECT_GT(released, 3'000);
  EXPECT_GT(doubtful, 10);
  EXPECT_LT(closed, 600);
}

}  // namespace
}  // namespace evergres::proxy
