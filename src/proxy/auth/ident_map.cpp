#include "proxy/auth/ident_map.hpp"

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

#include "proxy/auth/hba_tokens.hpp"
#include "proxy/wire/startup.hpp"

namespace evergres::proxy {
namespace {

FileProblem judge(const std::vector<HbaField>& fields, IdentRule& rule) {
  FileProblem problem;
  const HbaToken& first = fields.front().front();
  const bool single = std::all_of(fields.begin(), fields.end(),
                                  [](const HbaField& field) { return field.size() == 1; });
  if (!first.quoted && (first.text.starts_with("include") || first.text.starts_with('@'))) {
    problem.what = "other files are not included";
    problem.hint = "Put the lines into this file.";
    return problem;
  }
  if (fields.size() != 3 || !single) {
    problem.what = "a line has a map, a name and a user";
    problem.hint = "Write MAP NAME USER; names with blanks or commas stand in double quotes.";
    return problem;
  }
  const HbaToken& name = fields[1].front();
  const HbaToken& user = fields[2].front();
  const auto begins = [](const HbaToken& token, char c) {
    return !token.quoted && token.text.starts_with(c);
  };
  if (name.text.starts_with('/') || begins(user, '/')) {
    problem.what = "regular expressions are not supported";
    problem.hint = "Write one line for each name.";
  } else if (begins(user, '+')) {
    problem.what = "memberships in roles are not known here";
    problem.hint = "Name the users.";
  } else if (begins(user, '@')) {
    problem.what = "files of names are not supported";
    problem.hint = "Name the users.";
  } else if (first.text.empty() || name.text.empty()) {
    problem.what = "a map and a name are not empty";
  } else if (user.text.empty() || user.text.size() > name_most) {
    problem.what = "a user name has 1 to 63 bytes";
  }
  rule.map = first.text;
  rule.system_name = name.text;
  if (!user.is("all")) rule.user = user.text;
  return problem;
}

std::string distinguished_name(X509_NAME* subject) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  // As be-secure-openssl.c writes it, so that the lines of a pg_ident.conf fit.
  if (out == nullptr || X509_NAME_print_ex(out.get(), subject, 0, XN_FLAG_RFC2253) < 0) {
    return {};
  }
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out.get(), &bytes);
  return length > 0 ? std::string(bytes, static_cast<std::size_t>(length)) : std::string();
}

}  // namespace

IdentFile read_ident_map(std::string_view text) {
  IdentFile file;
  HbaLines lines(text);
  while (lines.next()) {
    IdentRule rule;
    FileProblem problem;
    if (!lines.problem().empty()) {
      problem.what = lines.problem();
    } else if (lines.fields().empty()) {
      continue;
    } else {
      problem = judge(lines.fields(), rule);
    }
    rule.line = problem.line = lines.number();
    if (problem.what.empty()) {
      file.rules.push_back(std::move(rule));
    } else {
      file.problems.push_back(std::move(problem));
    }
  }
  if (!file.problems.empty()) file.rules.clear();
  return file;
}

bool may_be(const std::vector<IdentRule>& rules, std::string_view map, std::string_view system_name,
            std::string_view user) {
  if (system_name.empty() || user.empty()) return false;
  if (map.empty()) return system_name == user;
  return std::any_of(rules.begin(), rules.end(), [&](const IdentRule& rule) {
    return rule.map == map && rule.system_name == system_name &&
           (rule.user.empty() || rule.user == user);
  });
}

std::optional<CertificateNames> certificate_names(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())), &X509_free);
  if (certificate == nullptr || at != end) return std::nullopt;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  CertificateNames names;
  names.distinguished_name = distinguished_name(subject);
  const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (place < 0) return names;
  unsigned char* bytes = nullptr;
  const int length = ASN1_STRING_to_UTF8(
      &bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
  if (length < 0) return std::nullopt;
  names.common_name.assign(bytes, bytes + length);
  OPENSSL_free(bytes);
  if (names.common_name.find('\0') != std::string::npos) return std::nullopt;
  return names;
}

}  // namespace evergres::proxy
