#include "proxy/auth/hba.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "proxy/auth/hba_tokens.hpp"
#include "proxy/wire/startup.hpp"

namespace evergres::proxy {
namespace {

/// A line under judgement: the first problem stays.
struct Judged {
  HbaRule rule;
  FileProblem problem;

  void refuse(std::string what, std::string hint = {}) {
    if (problem.what.empty()) problem = FileProblem{0, std::move(what), std::move(hint)};
  }
};

bool has_mask(const IpAddress& mask, unsigned& prefix) {
  prefix = 0;
  bool ended = false;
  for (unsigned bit = 0; bit < mask.bits(); ++bit) {
    const bool set = ((mask.bytes[bit / 8] >> (7 - bit % 8)) & 1U) != 0;
    if (set && ended) return false;
    ended = !set;
    if (set) ++prefix;
  }
  return true;
}

bool in_network(const IpAddress& address, const IpAddress& network, unsigned prefix) {
  if (address.v6 != network.v6) return false;
  for (unsigned bit = 0; bit < prefix; bit += 8) {
    const unsigned count = std::min(8U, prefix - bit);
    const auto mask = static_cast<std::uint8_t>(0xffU << (8 - count));
    if (((address.bytes[bit / 8] ^ network.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

void take_databases(const HbaField& field, Judged& line) {
  for (const HbaToken& token : field) {
    if (token.is("all")) {
      line.rule.databases.emplace_back();
    } else if (token.is("sameuser")) {
      line.rule.same_user = true;
    } else if (token.is("replication")) {
      line.rule.replication = true;
    } else if (token.is("samerole") || token.is("samegroup") ||
               (!token.quoted && token.text.starts_with('+'))) {
      line.refuse("memberships in roles are not known here", "Name the databases.");
    } else if (!token.quoted && token.text.starts_with('/')) {
      line.refuse("regular expressions are not supported", "Name the databases.");
    } else if (!token.quoted && token.text.starts_with('@')) {
      line.refuse("files of names are not supported", "Name the databases.");
    } else if (token.text.empty() || token.text.size() > name_most) {
      line.refuse("a database name has 1 to 63 bytes");
    } else {
      line.rule.databases.push_back(token.text);
    }
  }
}

void take_users(const HbaField& field, Judged& line) {
  for (const HbaToken& token : field) {
    if (token.is("all")) {
      line.rule.users.emplace_back();
    } else if (!token.quoted && token.text.starts_with('+')) {
      line.refuse("memberships in roles are not known here", "Name the users.");
    } else if (!token.quoted && token.text.starts_with('/')) {
      line.refuse("regular expressions are not supported", "Name the users.");
    } else if (!token.quoted && token.text.starts_with('@')) {
      line.refuse("files of names are not supported", "Name the users.");
    } else if (token.text.empty() || token.text.size() > name_most) {
      line.refuse("a user name has 1 to 63 bytes");
    } else {
      line.rule.users.push_back(token.text);
    }
  }
}

/// Takes the address and, where it has no "/prefix", the mask that follows. `at`: its field.
void take_address(const std::vector<HbaField>& fields, std::size_t& at, Judged& line) {
  if (fields[at].size() != 1) return line.refuse("one address per line");
  const HbaToken& token = fields[at++].front();
  if (token.is("all")) return;
  if (token.is("samehost") || token.is("samenet")) {
    return line.refuse(token.text + " is not supported", "Write the network.");
  }
  const std::size_t slash = token.text.find('/');
  const auto network = IpAddress::parse(std::string_view(token.text).substr(0, slash));
  if (!network) {
    return line.refuse("\"" + printable(token.text) + "\" is no IP address",
                       "Host names are not looked up; write an address and a prefix.");
  }
  line.rule.network = network;
  if (slash != std::string::npos) {
    const char* end = token.text.data() + token.text.size();
    const auto [stop, problem] =
        std::from_chars(token.text.data() + slash + 1, end, line.rule.prefix);
    if (problem != std::errc{} || stop != end || line.rule.prefix > network->bits()) {
      line.refuse("\"" + printable(token.text) + "\" has no possible prefix");
    }
    return;
  }
  const auto mask = at < fields.size() && fields[at].size() == 1
                        ? IpAddress::parse(fields[at].front().text)
                        : std::nullopt;
  if (!mask || mask->v6 != network->v6 || !has_mask(*mask, line.rule.prefix)) {
    return line.refuse("an address has a prefix or a mask", "Write 10.0.0.0/8, for example.");
  }
  ++at;
}

void take_method(const HbaField& field, Judged& line) {
  const std::string& word = field.front().text;
  HbaRule& rule = line.rule;
  if (field.size() != 1) {
    line.refuse("one method per line");
  } else if (word == "scram-sha-256") {
    rule.method = HbaMethod::scram;
  } else if (word == "reject") {
    rule.method = HbaMethod::reject;
  } else if (word == "cert") {
    rule.method = HbaMethod::cert;
    if (rule.kind != HbaKind::hostssl) line.refuse("cert needs hostssl");
  } else if (word == "peer") {
    rule.method = HbaMethod::peer;
    if (rule.kind != HbaKind::local) line.refuse("peer needs local");
  } else if (word == "trust") {
    line.refuse("trust lets everybody in under every name", "Use scram-sha-256, cert or peer.");
  } else if (word == "md5" || word == "password") {
    line.refuse(word + " is not supported", "Use scram-sha-256.");
  } else {
    line.refuse("method \"" + printable(word) + "\" is not supported",
                "Use scram-sha-256, cert, peer or reject.");
  }
}

void take_option(const HbaField& field, Judged& line) {
  const std::string& text = field.front().text;
  HbaRule& rule = line.rule;
  // clientcert=verify-full has to stand before the options about its names.
  const bool of_certificate = rule.method == HbaMethod::cert || rule.needs_certificate;
  if (text.starts_with("map=") && text.size() > 4 &&
      (of_certificate || rule.method == HbaMethod::peer)) {
    rule.map = text.substr(4);
  } else if ((text == "clientname=CN" || text == "clientname=DN") && of_certificate) {
    rule.by_distinguished_name = text.ends_with("DN");
  } else if (text == "clientcert=verify-full" && rule.kind == HbaKind::hostssl) {
    rule.needs_certificate = true;
  } else {
    line.refuse("option \"" + printable(text) + "\" is not known here",
                "Known are clientcert=verify-full with hostssl, map=NAME with cert, peer and behind "
                "clientcert=verify-full, and clientname=CN or DN with certificates.");
  }
}

void judge(const std::vector<HbaField>& fields, Judged& line) {
  const std::string& kind = fields.front().front().text;
  if (kind.starts_with("include") || kind.starts_with('@')) {
    return line.refuse("other files are not included", "Put the lines into this file.");
  }
  HbaRule& rule = line.rule;
  if (kind == "local") {
    rule.kind = HbaKind::local;
  } else if (kind == "host") {
    rule.kind = HbaKind::host;
  } else if (kind == "hostssl") {
    rule.kind = HbaKind::hostssl;
  } else if (kind == "hostnossl") {
    rule.kind = HbaKind::hostnossl;
  } else {
    return line.refuse("a line begins with local, host, hostssl or hostnossl");
  }
  const std::size_t least = rule.kind == HbaKind::local ? 4 : 5;
  if (fields.size() < least) {
    return line.refuse("the line ends too early",
                       "Write TYPE DATABASE USER ADDRESS METHOD; local has no address.");
  }
  take_databases(fields[1], line);
  take_users(fields[2], line);
  std::size_t at = 3;
  if (rule.kind != HbaKind::local) take_address(fields, at, line);
  if (at >= fields.size()) return line.refuse("the line has no method");
  take_method(fields[at++], line);
  for (; at < fields.size(); ++at) take_option(fields[at], line);
}

bool names(const std::vector<std::string>& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& entry) { return entry.empty() || entry == name; });
}

bool matches(const HbaRule& rule, const HbaQuestion& question) {
  if ((rule.kind == HbaKind::local) == question.address.has_value()) return false;
  if (rule.kind == HbaKind::hostssl && !question.tls) return false;
  if (rule.kind == HbaKind::hostnossl && question.tls) return false;
  if (rule.network && !in_network(*question.address, *rule.network, rule.prefix)) return false;
  if (!names(rule.users, question.user)) return false;
  if (question.physical_replication) return rule.replication;
  return names(rule.databases, question.database) ||
         (rule.same_user && question.user == question.database);
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() > 45 || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string zero_ended(text);
  IpAddress address;
  if (inet_pton(AF_INET, zero_ended.c_str(), address.bytes.data()) == 1) return address;
  if (inet_pton(AF_INET6, zero_ended.c_str(), address.bytes.data()) != 1) return std::nullopt;
  static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(mapped.begin(), mapped.end(), address.bytes.begin())) {
    std::copy(address.bytes.begin() + 12, address.bytes.end(), address.bytes.begin());
    std::fill(address.bytes.begin() + 4, address.bytes.end(), std::uint8_t{0});
    return address;
  }
  address.v6 = true;
  return address;
}

HbaFile read_hba(std::string_view text) {
  HbaFile file;
  HbaLines lines(text);
  while (lines.next()) {
    Judged line;
    if (!lines.problem().empty()) {
      line.refuse(std::string(lines.problem()));
    } else if (lines.fields().empty()) {
      continue;
    } else {
      judge(lines.fields(), line);
    }
    if (line.problem.what.empty()) {
      line.rule.line = lines.number();
      file.rules.push_back(std::move(line.rule));
    } else {
      line.problem.line = lines.number();
      file.problems.push_back(std::move(line.problem));
    }
  }
  if (!file.problems.empty()) file.rules.clear();
  return file;
}

const HbaRule* match(const std::vector<HbaRule>& rules, const HbaQuestion& question) {
  for (const HbaRule& rule : rules) {
    if (matches(rule, question)) return &rule;
  }
  return nullptr;
}

}  // namespace evergres::proxy
