#include "proxy/auth/auth_file.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "proxy/wire/startup.hpp"

namespace evergres::proxy {
namespace {

/// PostgreSQL takes no longer secret (65,535 bytes of a message); nobody has one of a tenth of it.
constexpr std::size_t secret_most = 4096;

constexpr std::string_view blanks = " \t\r";

void skip_blanks(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
}

/// Takes "…" from the front, with "" inside for a quote.
std::optional<std::string> take_quoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return std::nullopt;
  std::string value;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '"') {
      value += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
      value += rest[i++];
    } else {
      rest.remove_prefix(i + 1);
      return value;
    }
  }
  wipe(value);
  return std::nullopt;
}

/// "md5" and 32 hexadecimal digits.
bool is_md5(std::string_view secret) {
  return secret.size() == 35 && secret.starts_with("md5") &&
         secret.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

struct Line {
  std::string user;  ///< as far as it could be read
  std::optional<ScramSecret> secret;
  std::optional<std::string> password;  ///< prepared, if it stands there in the clear
  FileProblem problem;
};

void judge_secret(std::string& secret, const Key& salt_key, Line& line) {
  if (secret.empty()) {
    line.problem.what = "an empty secret lets nobody in";
    line.problem.hint = "Remove the line, or give the user a SCRAM secret.";
  } else if (secret.size() > secret_most) {
    line.problem.what = "the secret has more than 4,096 bytes";
  } else if (is_md5(secret)) {
    line.problem.what = "MD5 passwords are not supported";
    line.problem.hint =
        "Set password_encryption = 'scram-sha-256', set the password again, and copy "
        "pg_authid.rolpassword.";
  } else if (secret.starts_with("SCRAM-SHA-256$")) {
    line.secret = read_secret(secret);
    if (!line.secret) {
      line.problem.what = "the SCRAM secret cannot be read";
      line.problem.hint = "Copy pg_authid.rolpassword whole.";
    }
  } else {
    Result<std::string> prepared = prepare_password(secret);
    if (!prepared) {
      line.problem.what = prepared.error().message();
      line.problem.hint = prepared.error().hint();
      return;
    }
    line.secret =
        make_secret(*prepared, mock_secret(std::string(line.user) + '\0' + "file", salt_key).salt);
    line.password = std::move(*prepared);
  }
}

Line read_line(std::string_view rest, const Key& salt_key) {
  Line line;
  const std::optional<std::string> user = take_quoted(rest);
  if (!user) {
    line.problem.what = "a line begins with a user name in double quotes";
    line.problem.hint = "Write \"user\" \"secret\"; comments begin with ; or #.";
    return line;
  }
  line.user = *user;
  skip_blanks(rest);
  std::optional<std::string> secret = take_quoted(rest);
  if (user->empty() || user->size() > name_most || user->find('\0') != std::string::npos) {
    line.problem.what = "a user name has 1 to 63 bytes";
  } else if (!secret) {
    line.problem.what = "after the user name comes a secret in double quotes";
    line.problem.hint = "Write \"user\" \"secret\".";
  } else {
    judge_secret(*secret, salt_key, line);
  }
  if (secret) wipe(*secret);
  return line;
}

}  // namespace

std::string FileProblem::text(std::string_view file) const {
  return std::string(file) + ":" + std::to_string(line) + ": " + what +
         (hint.empty() ? "" : ". " + hint);
}

AuthFile read_auth_file(std::string_view text, const Key& salt_key) {
  AuthFile file;
  std::set<std::string> spoilt;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    skip_blanks(rest);
    if (rest.empty() || rest.front() == ';' || rest.front() == '#') continue;
    Line line = read_line(rest, salt_key);
    if (line.secret && (file.users.contains(line.user) || spoilt.contains(line.user))) {
      line.secret.reset();
      line.problem.what = "the user stands in the file twice";
      line.problem.hint = "Keep one of the lines.";
    }
    if (line.secret) {
      file.users.emplace(line.user, std::move(*line.secret));
      if (line.password) file.passwords.emplace(line.user, std::move(*line.password));
      continue;
    }
    line.problem.line = number;
    file.users.erase(line.user);
    file.passwords.erase(line.user);
    spoilt.insert(line.user);
    file.problems.push_back(std::move(line.problem));
  }
  return file;
}

}  // namespace evergres::proxy
