#include "proxy/wire/frontend.hpp"

namespace evergres::proxy {
namespace {

std::optional<std::string_view> single_text(std::string_view body) {
  Reader reader(body);
  const std::string_view text = reader.text();
  if (!reader.done()) return std::nullopt;
  return text;
}

}  // namespace

std::optional<ParseView> read_parse(std::string_view body) {
  Reader reader(body);
  ParseView view;
  view.statement = reader.text();
  view.sql = reader.text();
  const std::size_t types = reader.u16();
  view.types = reader.take(types * 4);
  if (!reader.done()) return std::nullopt;
  return view;
}

std::optional<std::string_view> read_parse_name(std::string_view head) {
  Reader reader(head);
  const std::string_view name = reader.text();
  if (!reader.ok()) return std::nullopt;
  return name;
}

std::optional<BindView> read_bind(std::string_view head) {
  Reader reader(head);
  BindView view;
  view.portal = reader.text();
  view.statement = reader.text();
  view.rest = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::optional<TargetView> read_target(std::string_view body) {
  Reader reader(body);
  const char kind = static_cast<char>(reader.byte());
  TargetView view;
  view.name = reader.text();
  if (!reader.done()) return std::nullopt;
  if (kind == 'S') {
    view.target = Target::statement;
  } else if (kind == 'P') {
    view.target = Target::portal;
  } else {
    return std::nullopt;
  }
  return view;
}

std::optional<ExecuteView> read_execute(std::string_view body) {
  Reader reader(body);
  ExecuteView view;
  view.portal = reader.text();
  view.rows = reader.i32();
  if (!reader.done()) return std::nullopt;
  return view;
}

std::optional<std::string_view> read_query(std::string_view body) {
  return single_text(body);
}

std::optional<std::string_view> read_copy_fail(std::string_view body) {
  return single_text(body);
}

std::optional<SaslInitialView> read_sasl_initial(std::string_view body) {
  Reader reader(body);
  SaslInitialView view;
  view.mechanism = reader.text();
  const std::int32_t length = reader.i32();
  // -1 means none; no other negative length means anything.
  if (length < -1) return std::nullopt;
  if (length >= 0) view.data = reader.take(static_cast<std::size_t>(length));
  if (!reader.done()) return std::nullopt;
  return view;
}

std::optional<std::string_view> read_password(std::string_view body) {
  return single_text(body);
}

}  // namespace evergres::proxy
