#include "store/backends.hpp"

#include <array>

namespace evergres::store {
namespace {

struct Backend {
  std::string_view scheme;
  std::string_view example;
  Result<std::unique_ptr<Store>> (*open)(std::string rest, const std::string& cluster,
                                         Create create);
};

Result<std::unique_ptr<Store>> sqlite_backend(std::string rest, const std::string& cluster,
                                              Create create) {
  if (!rest.starts_with('/')) {
    return Error(ErrorCode::config_invalid, "the path of the store is not absolute",
                 "\"sqlite:" + rest + "\" depends on the directory in which a process was started.",
                 "Write sqlite:/full/path/store.db");
  }
  return open_sqlite(std::move(rest), cluster, create);
}

constexpr std::array backends = {
    Backend{"sqlite", "sqlite:/var/lib/evergres/store.db", sqlite_backend},
};

}  // namespace

Result<std::unique_ptr<Store>> open_store(std::string_view address, const std::string& cluster,
                                          Create create) {
  const auto colon = address.find(':');
  const std::string_view scheme = address.substr(0, colon);
  std::string known;
  for (const Backend& backend : backends) {
    if (colon != std::string_view::npos && backend.scheme == scheme) {
      return backend.open(std::string(address.substr(colon + 1)), cluster, create);
    }
    known += (known.empty() ? "" : ", ") + std::string(backend.example);
  }
  return Error(ErrorCode::config_invalid, "unknown kind of store \"" + std::string(scheme) + "\"",
               "Known are: " + known + ".", "Correct the option \"store\" of the configuration.");
}

}  // namespace evergres::store
