#include "proxy/wire/walker.hpp"

#include <algorithm>
#include <array>

#include "proxy/wire/reader.hpp"

namespace evergres::proxy {
namespace {

/// Statements that are remembered come whole; of a longer one only its name is read.
constexpr std::uint32_t statement_head = 1U << 20U;
/// Names of portals and statements, and a CopyFail's or a NOTIFY's text, have room in it.
constexpr std::uint32_t name_head = 8U << 10U;
/// auth-scram.c and auth.c take no more than this of a client.
constexpr std::uint32_t auth_most = 65'535;
/// libpq takes no more of a message that carries no values (fe-protocol3.c), but for those with one
/// entry per column or parameter, of which there are at most 65,535.
constexpr std::uint32_t short_answer = 30'000;
constexpr std::uint32_t columns_most = 65'535;

constexpr std::array frontend_login{
    MessageRule{'p', 0, auth_most, auth_most},
};

constexpr std::array frontend_session{
    MessageRule{'B', 6, large_message, name_head},
    MessageRule{'C', 2, small_message, small_message},
    MessageRule{'D', 2, small_message, small_message},
    MessageRule{'E', 5, small_message, small_message},
    MessageRule{'F', 8, large_message, 0},
    MessageRule{'H', 0, 0, 0},
    MessageRule{'P', 4, large_message, statement_head},
    MessageRule{'Q', 1, large_message, statement_head},
    MessageRule{'S', 0, 0, 0},
    MessageRule{'X', 0, 0, 0},
    MessageRule{'c', 0, 0, 0},
    MessageRule{'d', 0, large_message, 0},
    MessageRule{'f', 1, small_message, small_message},
};

constexpr std::array backend_login{
    MessageRule{'E', 1, large_message, auth_most},   MessageRule{'K', 8, 260, 260},
    MessageRule{'N', 1, large_message, auth_most},   MessageRule{'R', 4, auth_most, auth_most},
    MessageRule{'S', 2, auth_most, auth_most},       MessageRule{'Z', 1, 1, 1},
    MessageRule{'v', 8, short_answer, short_answer},
};

constexpr std::array backend_session{
    MessageRule{'1', 0, 0, 0},
    MessageRule{'2', 0, 0, 0},
    MessageRule{'3', 0, 0, 0},
    MessageRule{'A', 6, large_message, name_head},
    MessageRule{'C', 1, short_answer, short_answer},
    MessageRule{'D', 2, large_message, 0},
    MessageRule{'E', 1, large_message, auth_most},
    MessageRule{'G', 3, 3 + 2 * columns_most, 3},
    MessageRule{'H', 3, 3 + 2 * columns_most, 3},
    MessageRule{'I', 0, 0, 0},
    MessageRule{'N', 1, large_message, auth_most},
    MessageRule{'S', 2, auth_most, auth_most},
    MessageRule{'T', 2, large_message, 0},
    MessageRule{'V', 4, large_message, 0},
    MessageRule{'W', 3, 3 + 2 * columns_most, 3},
    MessageRule{'Z', 1, 1, 1},
    MessageRule{'c', 0, 0, 0},
    MessageRule{'d', 0, large_message, 0},
    MessageRule{'n', 0, 0, 0},
    MessageRule{'s', 0, 0, 0},
    MessageRule{'t', 2, 2 + 4 * columns_most, 0},
};

template <std::size_t Count>
constexpr auto by_type(const std::array<MessageRule, Count>& rules) {
  std::array<std::uint8_t, 256> places{};
  places.fill(255);
  for (std::size_t i = 0; i < Count; ++i) {
    places[static_cast<unsigned char>(rules[i].type)] = static_cast<std::uint8_t>(i);
  }
  return places;
}

template <std::size_t Count>
const MessageRule* find(const std::array<MessageRule, Count>& rules,
                        const std::array<std::uint8_t, 256>& places, char type) {
  const std::uint8_t place = places[static_cast<unsigned char>(type)];
  return place == 255 ? nullptr : &rules[place];
}

}  // namespace

const MessageRule* rule_of(Side side, Phase phase, char type) {
  static constexpr auto in_frontend_login = by_type(frontend_login);
  static constexpr auto in_frontend_session = by_type(frontend_session);
  static constexpr auto in_backend_login = by_type(backend_login);
  static constexpr auto in_backend_session = by_type(backend_session);
  if (side == Side::frontend) {
    return phase == Phase::login ? find(frontend_login, in_frontend_login, type)
                                 : find(frontend_session, in_frontend_session, type);
  }
  return phase == Phase::login ? find(backend_login, in_backend_login, type)
                               : find(backend_session, in_backend_session, type);
}

Frame Walker::violation(char type, std::string_view why) {
  broken_ = why;
  Frame frame;
  frame.kind = FrameKind::violation;
  frame.type = type;
  frame.why = why;
  return frame;
}

Frame Walker::begin(std::string_view& input, const MessageRule& rule, std::uint32_t body) {
  Frame frame;
  frame.type = rule.type;
  frame.body = body;
  const std::uint32_t wanted = header_bytes + std::min(body, rule.head);
  if (input.size() < wanted) {
    frame.lacking = wanted - static_cast<std::uint32_t>(input.size());
    return frame;
  }
  const std::uint32_t total = header_bytes + body;
  frame.bytes = input.substr(0, total);
  frame.first = true;
  frame.last = frame.bytes.size() == total;
  frame.kind = frame.last ? FrameKind::whole : FrameKind::piece;
  left_ = total - static_cast<std::uint32_t>(frame.bytes.size());
  type_ = rule.type;
  body_ = body;
  input.remove_prefix(frame.bytes.size());
  return frame;
}

Frame Walker::next(std::string_view& input) {
  if (!broken_.empty()) return violation(0, broken_);
  Frame frame;
  if (left_ > 0) {
    frame.type = type_;
    frame.body = body_;
    frame.lacking = left_;
    if (input.empty()) return frame;
    frame.kind = FrameKind::piece;
    frame.bytes = input.substr(0, left_);
    left_ -= static_cast<std::uint32_t>(frame.bytes.size());
    frame.lacking = 0;
    frame.last = left_ == 0;
    input.remove_prefix(frame.bytes.size());
    return frame;
  }
  if (input.empty()) {
    frame.lacking = header_bytes;
    return frame;
  }
  // The type is judged before its length has arrived: who speaks another protocol is told at once.
  const MessageRule* rule = rule_of(side_, phase_, input.front());
  if (rule == nullptr) return violation(input.front(), "a message of this type may not come here");
  if (input.size() < header_bytes) {
    frame.lacking = header_bytes - static_cast<std::uint32_t>(input.size());
    return frame;
  }
  Reader header(input.substr(1, 4));
  const std::uint32_t length = header.u32();
  if (length < 4) return violation(rule->type, "a message is shorter than its own length word");
  const std::uint32_t body = length - 4;
  if (body < rule->least) return violation(rule->type, "a message is too short for its type");
  if (body > rule->most) return violation(rule->type, "a message is too long for its type");
  return begin(input, *rule, body);
}

}  // namespace evergres::proxy
