#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace evergres::api {

/// The JSON object in the body of a request, from a stranger. A member that is null counts as
/// absent. All errors are usage: the answer is 400.
class ChangeBody {
 public:
  /// `known`: its possible members. Another one is an error, because a misspelt "candidate" would
  /// let anybody lead. An empty body is an object without members if `may_be_empty`.
  static Result<ChangeBody> parse(std::string_view text, std::vector<std::string_view> known,
                                  bool may_be_empty);

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// Null if it is absent or null.
  [[nodiscard]] const boost::json::value* value(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] bool mentions(std::string_view name) const;             ///< also as null
  [[nodiscard]] Result<std::string> text(std::string_view name) const;  ///< "" if absent
  [[nodiscard]] Result<bool> flag(std::string_view name) const;         ///< false if absent

 private:
  boost::json::object members_;
};

}  // namespace evergres::api
