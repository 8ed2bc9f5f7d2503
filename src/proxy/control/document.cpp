#include "proxy/control/document.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "proxy/console/tables.hpp"

namespace evergres::proxy {
namespace {

namespace json = boost::json;

Error misunderstood() {
  return Error(ErrorCode::usage, "the endpoint does not understand the request",
               "It is {\"verb\": \"metrics\"}, or {\"verb\": \"show\", \"what\": TABLE, "
               "\"after\": ID}.");
}

bool is_number(ColumnType type) {
  return type == ColumnType::int4 || type == ColumnType::int8 || type == ColumnType::numeric;
}

json::value value_of(const Column& column, const std::optional<std::string>& text) {
  if (!text) return nullptr;
  if (!is_number(column.type)) return json::value(*text);
  std::uint64_t number = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
  if (read.ec != std::errc{} || read.ptr != text->data() + text->size()) return nullptr;
  return number;
}

/// The first of those with a greater id; true if there are more.
bool cut(std::vector<SocketFacts>& sockets, std::uint64_t after) {
  std::erase_if(sockets, [after](const SocketFacts& socket) { return socket.id <= after; });
  std::ranges::sort(sockets, {}, &SocketFacts::id);
  if (sockets.size() <= most_rows) return false;
  sockets.resize(most_rows);
  return true;
}

}  // namespace

bool Question::connections() const {
  return show == Show::clients || show == Show::servers || show == Show::lists;
}

Result<Question> read_question(const json::value& request) {
  const json::object* const object = request.if_object();
  if (object == nullptr) return misunderstood();
  const auto text = [object](const char* name) -> std::string_view {
    const json::value* const member = object->if_contains(name);
    const json::string* const string = member != nullptr ? member->if_string() : nullptr;
    return string != nullptr ? std::string_view(string->data(), string->size())
                             : std::string_view();
  };
  Question question;
  if (text("verb") == "metrics") return question;
  if (text("verb") != "show") return misunderstood();
  for (const auto& known : words(static_cast<const Show*>(nullptr))) {
    if (known.word == text("what")) question.show = known.value;
  }
  // The two that show both kinds of connections have no order that could be cut.
  const bool shown = question.show && question.show != Show::help &&
                     question.show != Show::sockets && question.show != Show::active_sockets;
  if (!shown) return misunderstood();
  if (const json::value* const after = object->if_contains("after")) {
    if (after->is_int64() && after->get_int64() >= 0) {
      question.after = static_cast<std::uint64_t>(after->get_int64());
    } else if (after->is_uint64()) {
      question.after = after->get_uint64();
    } else {
      return misunderstood();
    }
  }
  return question;
}

json::value table_document(const Question& question, const Snapshot& snapshot) {
  const Snapshot* from = &snapshot;
  Snapshot part;
  bool more = false;
  if (question.show == Show::clients || question.show == Show::servers) {
    part.all.clients = snapshot.all.clients;
    part.all.servers = snapshot.all.servers;
    const bool clients = question.show == Show::clients;
    more = cut(clients ? part.all.clients : part.all.servers, question.after);
    from = &part;
  }
  const auto columns = columns_of(*question.show);
  json::array rows;
  for (const TableRow& row : rows_of(*question.show, *from)) {
    json::object entry;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string_view name = columns[i].name;
      entry[json::string_view(name.data(), name.size())] = value_of(columns[i], row[i]);
    }
    rows.push_back(std::move(entry));
  }
  json::object result;
  result["rows"] = std::move(rows);
  result["more"] = more;
  return result;
}

}  // namespace evergres::proxy
