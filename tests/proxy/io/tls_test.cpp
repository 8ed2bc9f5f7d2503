#include "proxy/io/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "proxy/io/certificates.hpp"
#include "proxy/io/streams.hpp"

namespace evergres::proxy {
namespace {

using enum Stream::Handshake;
using enum TlsContext::Verify;

struct Tls : testing::Test {
  Certificates files;
  Tls() { files.make("server", "db", "DNS:db.example,IP:127.0.0.1"); }

  [[nodiscard]] TlsContext::ServerFiles server_files(bool ask = false) const {
    return {.certificate = files.file("server.crt"),
            .key = files.file("server.key"),
            .client_authority = ask ? files.file("authority.crt") : ""};
  }
  [[nodiscard]] TlsContext server(bool ask = false) const {
    auto made = TlsContext::for_clients(server_files(ask));
    EXPECT_TRUE(made) << made.error().one_line();
    return std::move(made).value();
  }
  [[nodiscard]] TlsContext client(TlsContext::Verify verify = authority_and_name) const {
    auto made = TlsContext::for_servers(verify, files.file("authority.crt"));
    EXPECT_TRUE(made) << made.error().one_line();
    return std::move(made).value();
  }
  /// Both ends inside TLS: `here` is the server.
  [[nodiscard]] Ends inside(Ends ends) const {
    ends.here.accept_tls(server());
    ends.there.connect_tls(client(), "db.example");
    EXPECT_EQ(shake_hands(ends.here, ends.there), std::pair(done, done))
        << ends.there.handshake_problem();
    return ends;
  }
  [[nodiscard]] std::string problem_of(TlsContext::Verify verify, const std::string& host) const {
    Ends ends = Ends::of_unix();
    ends.here.accept_tls(server());
    ends.there.connect_tls(client(verify), host);
    shake_hands(ends.here, ends.there);
    return ends.there.handshake_problem();
  }
};

TEST_F(Tls, BytesPassBothWaysAndBothSidesKnowWhatWasAgreed) {
  Ends ends = inside(Ends::of_tcp());
  EXPECT_EQ(ends.here.tls_version(), "TLSv1.3");
  EXPECT_TRUE(ends.here.agreed_on_postgresql() && ends.there.agreed_on_postgresql());
  EXPECT_TRUE(ends.there.peer_certificate().has_value());
  EXPECT_FALSE(ends.here.peer_certificate().has_value());
  const std::array<std::string_view, 3> parts{"one ", "", "two"};
  EXPECT_TRUE(ends.here.write(parts));
  EXPECT_TRUE(ends.there.write("three"));
  EXPECT_EQ(read_all(ends.there, 7), "one two");
  EXPECT_EQ(read_all(ends.here, 5), "three");
}

TEST_F(Tls, PartsThatFitAreOneRecordAndNoneIsLongerThan8Kilobytes) {
  Ends ends = inside(Ends::of_tcp());
  const int raw = ends.there.descriptor();
  const auto record_lengths = [&](std::size_t plain) {
    std::vector<std::size_t> lengths;
    for (std::size_t seen = 0; seen < plain;) {
      std::array<unsigned char, 5> header{};
      EXPECT_TRUE(wait_for(ends.there, ends.there));
      EXPECT_EQ(::recv(raw, header.data(), header.size(), MSG_WAITALL), 5);
      std::string body(static_cast<std::size_t>(header[3] * 256 + header[4]), '\0');
      EXPECT_EQ(::recv(raw, body.data(), body.size(), MSG_WAITALL),
                static_cast<ssize_t>(body.size()));
      if (testing::Test::HasFailure()) break;
      lengths.push_back(body.size() - 17);  // the type and the tag of TLS 1.3
      seen += lengths.back();
    }
    return lengths;
  };
  const std::string part(3000, 'x');
  ends.here.write(std::vector<std::string_view>{"a", part, "b"});
  EXPECT_EQ(record_lengths(3002), std::vector<std::size_t>{3002});
  ends.here.write(std::vector<std::string_view>{part, part, part, "c"});
  EXPECT_EQ(record_lengths(9001), (std::vector<std::size_t>{8192, 809}));
}

TEST_F(Tls, LargeTransfersBothWaysAtOnceDoNotStopEachOther) {
  Ends ends = inside(Ends::of_tcp());
  const std::string text = long_text(12'000'000);
  // Both write everything before anybody reads: what the sockets do not take is kept.
  ASSERT_TRUE(ends.here.write(text) && ends.there.write(text));
  ASSERT_GT(ends.here.unsent(), 0U);
  std::array<std::string, 2> read;
  std::array<char, 65'536> bytes{};
  const auto step = [&](Stream& stream, std::string& into) {
    const Stream::Got got = stream.read(bytes);
    into.append(bytes.data(), got.bytes);
    return !got.closed && stream.flush();
  };
  while (read[0].size() < text.size() || read[1].size() < text.size()) {
    const std::size_t before = read[0].size() + read[1].size();
    ASSERT_TRUE(step(ends.here, read[0]) && step(ends.there, read[1]));
    if (read[0].size() + read[1].size() == before) {
      ASSERT_TRUE(wait_for(ends.here, ends.there));
    }
  }
  EXPECT_TRUE(read[0] == text && read[1] == text);
  EXPECT_EQ(ends.here.unsent() + ends.there.unsent(), 0U);
}

TEST_F(Tls, MoreIsTrueAsLongAsSomethingIsLeftAnywhere) {
  Ends ends = inside(Ends::of_tcp());
  const std::string text = long_text(40'000);
  ASSERT_TRUE(ends.here.write(text));
  ASSERT_TRUE(wait_for(ends.there, ends.there));
  std::string read;
  std::array<char, 1000> bytes{};
  for (bool more = true; more;) {
    const Stream::Got got = ends.there.read(bytes);
    read.append(bytes.data(), got.bytes);
    more = got.more;
    if (!more && read.size() < text.size()) {  // not everything has arrived yet
      ASSERT_TRUE(wait_for(ends.there, ends.there));
      more = true;
    }
  }
  EXPECT_TRUE(read == text);
  pollfd wanted{.fd = ends.there.descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wanted, 1, 0), 0);
}

TEST_F(Tls, ACloseIsAGoodbyeBehindTheLastBytes) {
  Ends ends = inside(Ends::of_tcp());
  ends.here.write("bye");
  ends.here.close();
  EXPECT_EQ(read_all(ends.there, 100), "bye");
  std::array<char, 10> bytes{};
  EXPECT_TRUE(ends.there.read(bytes).closed);
}

TEST_F(Tls, GarbageInsideItEndsIt) {
  Ends ends = inside(Ends::of_tcp());
  ends.there.write("good");
  EXPECT_EQ(read_all(ends.here, 4), "good");
  const std::string garbage =
      "\x17\x03\x03\x01 and what follows is no record" + std::string(999, 'x');
  ::send(ends.there.descriptor(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  ASSERT_TRUE(wait_for(ends.here, ends.here));
  EXPECT_EQ(read_all(ends.here, 1), "");
  std::array<char, 10> bytes{};
  EXPECT_TRUE(ends.here.read(bytes).closed);
  EXPECT_FALSE(ends.here.write("x"));
}

TEST_F(Tls, GarbageInsteadOfAHandshakeFailsIt) {
  Ends ends = Ends::of_tcp();
  ends.here.accept_tls(server());
  EXPECT_EQ(ends.here.handshake(), going_on);
  EXPECT_FALSE(ends.here.write("too early"));
  ends.there.write("GET / HTTP/1.1\r\nHost: db.example\r\n\r\n");
  ASSERT_TRUE(wait_for(ends.here, ends.here));
  EXPECT_EQ(ends.here.handshake(), failed);
  EXPECT_EQ(ends.here.handshake(), failed);
  EXPECT_EQ(ends.here.handshake_problem(), "The TLS handshake failed: http request.");
}

TEST_F(Tls, HalfAHandshakeGoesOnAndItsEndIsNoticed) {
  Ends ends = Ends::of_tcp(), other = Ends::of_unix();
  other.there.connect_tls(client(), "db.example");
  EXPECT_EQ(other.there.handshake(), going_on);
  const std::string hello = [&] {
    std::array<char, 4000> bytes{};
    const Stream::Got got = other.here.read(bytes);
    return std::string(bytes.data(), got.bytes);
  }();
  ends.here.accept_tls(server());
  ends.there.write(std::string_view(hello).substr(0, hello.size() / 2));
  ASSERT_TRUE(wait_for(ends.here, ends.here));
  EXPECT_EQ(ends.here.handshake(), going_on);
  ends.there.write(std::string_view(hello).substr(hello.size() / 2));
  ASSERT_TRUE(wait_for(ends.here, ends.here));
  EXPECT_EQ(ends.here.handshake(), going_on);
  ends.there.close();
  ends.here.hung_up();
  Stream::Handshake last = going_on;
  while (last == going_on && wait_for(ends.here, ends.here)) last = ends.here.handshake();
  EXPECT_EQ(last, failed);
  EXPECT_TRUE(ends.here.handshake_problem().starts_with("The TLS handshake failed: "));
}

/// A client of OpenSSL's own that offers `protocols`, "" for none.
struct Foreign {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                            &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context.get()), &SSL_free};

  Foreign(const Stream& on, const std::string& protocols) {
    SSL_set_fd(ssl.get(), on.descriptor());
    SSL_set_connect_state(ssl.get());
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  Stream::Handshake with(Stream& server) const {
    Stream::Handshake state = going_on;
    for (int step = 0; step < 1000 && state == going_on; ++step) {
      SSL_do_handshake(ssl.get());
      state = server.handshake();
    }
    return state;
  }
};

TEST_F(Tls, DirectTlsTellsWhetherPostgresqlWasAgreed) {
  const auto against = [&](const std::string& protocols) {
    Ends ends = Ends::of_unix();
    ends.here.accept_tls(server());
    const Foreign foreign(ends.there, protocols);
    const auto state = foreign.with(ends.here);
    return std::pair(state, ends.here.agreed_on_postgresql());
  };
  EXPECT_EQ(against("\x08http/1.1\x0apostgresql"), std::pair(done, true));
  EXPECT_EQ(against(""), std::pair(done, false));
  EXPECT_EQ(against("\x08http/1.1"), std::pair(failed, false));
}

TEST_F(Tls, OldVersionsAreRefused) {
  for (const int version : {TLS1_1_VERSION, TLS1_2_VERSION}) {
    Ends ends = Ends::of_unix();
    ends.here.accept_tls(server());
    const Foreign foreign(ends.there, "");
    SSL_set_security_level(foreign.ssl.get(), 0);
    SSL_set_min_proto_version(foreign.ssl.get(), TLS1_VERSION);
    SSL_set_max_proto_version(foreign.ssl.get(), version);
    EXPECT_EQ(foreign.with(ends.here), version == TLS1_2_VERSION ? done : failed);
  }
}

TEST_F(Tls, AClientMayAskForSmallRecords) {
  Ends ends = Ends::of_unix();
  ends.here.accept_tls(server());
  const Foreign foreign(ends.there, "");
  SSL_set_tlsext_max_fragment_length(foreign.ssl.get(), TLSEXT_max_fragment_length_512);
  ASSERT_EQ(foreign.with(ends.here), done);
  const std::string text = long_text(20'000);
  ASSERT_TRUE(ends.here.write(text));
  std::string read;
  std::array<char, 4000> bytes{};
  for (int got = 1; got > 0 && read.size() < text.size();) {
    got = SSL_read(foreign.ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (got > 0) read.append(bytes.data(), static_cast<std::size_t>(got));
    ends.here.flush();
  }
  EXPECT_TRUE(read == text);
}

TEST_F(Tls, AKeyUpdateIsAnsweredWhileAWriteWaits) {
  Ends ends = Ends::of_unix();
  ends.here.accept_tls(server());
  const Foreign foreign(ends.there, "");
  ASSERT_EQ(foreign.with(ends.here), done);
  const std::string text = long_text(3'000'000);
  ASSERT_TRUE(ends.here.write(text));
  ASSERT_GT(ends.here.unsent(), 0U);
  SSL_set_mode(foreign.ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  ASSERT_EQ(SSL_key_update(foreign.ssl.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  ASSERT_EQ(SSL_write(foreign.ssl.get(), "next", 4), 4);
  EXPECT_EQ(read_all(ends.here, 4), "next");
  std::string read;
  std::array<char, 4000> bytes{};
  for (int got = 1; got > 0 && read.size() < text.size();) {
    got = SSL_read(foreign.ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (got > 0) read.append(bytes.data(), static_cast<std::size_t>(got));
    ASSERT_TRUE(ends.here.flush());
  }
  EXPECT_TRUE(read == text);
  ASSERT_TRUE(ends.here.write("under new keys"));
  EXPECT_EQ(SSL_read(foreign.ssl.get(), bytes.data(), 100), 14);
}

TEST_F(Tls, WhoAsksForOtherKeysAndDoesNotReadIsCutOff) {
  for (const std::size_t waiting : {0U, 3'000'000U}) {
    Ends ends = Ends::of_unix();
    ends.here.accept_tls(server());
    const Foreign foreign(ends.there, "");
    SSL_set_max_proto_version(foreign.ssl.get(), TLS1_2_VERSION);
    ASSERT_EQ(foreign.with(ends.here), done);
    ASSERT_EQ(SSL_do_handshake(foreign.ssl.get()), 1);  // in TLS 1.2 the client ends it
    ASSERT_TRUE(ends.here.write(long_text(waiting)));
    ASSERT_EQ(SSL_renegotiate(foreign.ssl.get()), 1);
    SSL_do_handshake(foreign.ssl.get());
    std::array<char, 100> bytes{};
    const Stream::Got got = ends.here.read(bytes);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.closed, waiting > 0) << "without the bound it grows as long as they ask";
    EXPECT_GT(ends.there.peek(bytes).bytes, 0U) << "the warning, or what waits before it";
    EXPECT_EQ(ends.here.write("x"), waiting == 0);
  }
}

TEST_F(Tls, TheLastWordsOfTheOtherSideAreReadAlsoWhenAWriteHasFailed) {
  Ends ends = inside(Ends::of_tcp());
  ends.there.write("FATAL");
  ends.there.close();
  while (ends.here.write("nobody reads this")) {
    ASSERT_TRUE(wait_for(ends.here, ends.here));
  }
  EXPECT_EQ(read_all(ends.here, 100), "FATAL");
}

TEST_F(Tls, NamesAreVerifiedWhereThatIsAskedFor) {
  EXPECT_EQ(problem_of(authority_and_name, "db.example"), "");
  EXPECT_EQ(problem_of(authority_and_name, "127.0.0.1"), "");
  EXPECT_EQ(problem_of(authority_and_name, "other.example"),
            "The TLS handshake failed: the other side's certificate is refused, hostname "
            "mismatch.");
  EXPECT_EQ(problem_of(authority_and_name, "127.0.0.2"),
            "The TLS handshake failed: the other side's certificate is refused, IP address "
            "mismatch.");
  EXPECT_EQ(problem_of(authority_and_name, ""),
            "The TLS handshake failed: the host's name cannot be verified.");
  EXPECT_EQ(problem_of(authority, "other.example"), "");
  files.make("server", "db", "");  // signed by itself
  EXPECT_EQ(problem_of(nothing, "other.example"), "");
  EXPECT_EQ(problem_of(authority, "db.example"),
            "The TLS handshake failed: the other side's certificate is refused, self-signed "
            "certificate.");
}

TEST_F(Tls, ClientsMayShowCertificatesOfTheAuthority) {
  files.make("app", "app", "DNS:app.example");
  files.make("stranger", "app", "");
  const auto shown = [&](const std::string& name) -> std::optional<std::string> {
    Ends ends = Ends::of_unix();
    ends.here.accept_tls(server(true));
    const TlsContext with = client();
    if (!name.empty()) {
      SSL_CTX_use_certificate_chain_file(with.native(), files.file(name + ".crt").c_str());
      SSL_CTX_use_PrivateKey_file(with.native(), files.file(name + ".key").c_str(),
                                  SSL_FILETYPE_PEM);
    }
    ends.there.connect_tls(with, "db.example");
    if (shake_hands(ends.here, ends.there).first == failed) return ends.here.handshake_problem();
    return ends.here.peer_certificate();
  };
  EXPECT_EQ(shown(""), std::nullopt);
  const std::string refused =
      "The TLS handshake failed: the other side's certificate is refused, self-signed "
      "certificate.";
  EXPECT_EQ(shown("stranger"), refused);
  const auto certificate = shown("app");
  ASSERT_TRUE(certificate.has_value());
  EXPECT_EQ(certificate->substr(0, 1), "\x30") << "DER";
}

TEST_F(Tls, ConnectionsKeepTheContextTheyBeganWith) {
  Ends ends = Ends::of_unix();
  {
    const TlsContext old = server();
    ends.here.accept_tls(old);
    EXPECT_EQ(old.binding().value_or("").size(), 32U);
  }
  ends.there.connect_tls(client(), "db.example");
  EXPECT_EQ(shake_hands(ends.here, ends.there), std::pair(done, done));
}

TEST_F(Tls, FilesThatCannotBeUsedAreNamed) {
  const auto error_of = [](const TlsContext::ServerFiles& with) {
    const auto made = TlsContext::for_clients(with);
    return made ? Error(ErrorCode::internal, "was taken") : made.error();
  };
  auto with = server_files();
  const std::string key = with.key;
  ::chmod(key.c_str(), 0640);
  Error error = error_of(with);
  EXPECT_EQ(error.code(), ErrorCode::permission);
  EXPECT_EQ(error.message(), "the key file " + key + " is open to others");
  EXPECT_EQ(error.hint(), "chmod 0600 " + key);
  ::chmod(key.c_str(), 0400);
  EXPECT_EQ(error_of(with).message(), "was taken");

  with.key = files.file("authority.key");
  error = error_of(with);
  EXPECT_EQ(error.code(), ErrorCode::data_invalid);
  EXPECT_EQ(error.message(), "the key " + with.key.native() +
                                 " does not belong to the certificate " +
                                 with.certificate.native());
  with.key = files.file("none.key");
  EXPECT_EQ(error_of(with).code(), ErrorCode::not_found);
  with.key = files.file("");
  EXPECT_EQ(error_of(with).code(), ErrorCode::data_invalid) << "a directory";
  with = server_files(true);
  with.client_authority = files.file("none.crt");
  EXPECT_EQ(error_of(with).code(), ErrorCode::not_found);
  with.client_authority = key;
  EXPECT_EQ(error_of(with).code(), ErrorCode::data_invalid);
  EXPECT_FALSE(TlsContext::for_servers(authority, ""));
}

TEST_F(Tls, AKeyWithAPassphraseIsRefusedAndNobodyIsAskedForIt) {
  const std::string path = files.file("locked.key");
  BIO* bio = BIO_new_file(path.c_str(), "w");
  EVP_PKEY* key = EVP_EC_gen("P-256");
  const unsigned char word[] = "word";
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), word, 4, nullptr, nullptr), 1);
  EVP_PKEY_free(key);
  BIO_free(bio);
  ::chmod(path.c_str(), 0600);
  auto with = server_files();
  with.key = path;
  const auto made = TlsContext::for_clients(with);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::data_invalid);
  EXPECT_EQ(made.error().message(), "there is no usable key in " + path);
  EXPECT_EQ(made.error().hint(), "It has to be PEM and must not be protected by a passphrase.");
}

}  // namespace
}  // namespace evergres::proxy
