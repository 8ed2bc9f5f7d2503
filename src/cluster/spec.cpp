#include "cluster/spec.hpp"

#include "cluster/json.hpp"
#include "config/cluster_printer.hpp"
#include "config/cluster_reader.hpp"

namespace evergres::cluster {
namespace {

/// The JSON of it. The settings travel as the YAML that people edit: one reader for both.
struct Document {
  std::uint64_t generation = 0;
  std::string changed_by;
  std::int64_t changed_wall_ms = 0;
  std::uint64_t reverted = 0;
  std::string settings;
};
constexpr auto fields(const Document*) {
  return std::tuple{Field{"generation", &Document::generation},
                    Field{"changed_by", &Document::changed_by},
                    Field{"changed_wall_ms", &Document::changed_wall_ms},
                    Field{"reverted", &Document::reverted}, Field{"settings", &Document::settings}};
}

constexpr std::size_t document_limit = 2 * config::cluster_text_limit;

}  // namespace

std::string spec_text(const Spec& spec) {
  Document document;
  document.generation = spec.generation;
  document.changed_by = spec.changed_by;
  document.changed_wall_ms = spec.changed_wall_ms;
  document.reverted = spec.reverted;
  document.settings = config::cluster_text(spec.settings);
  return json_text(document);
}

Result<Spec> parse_spec(std::string_view text) {
  auto document = parse_json<Document>(text, document_limit, "spec");
  if (!document) return document.error();
  constexpr std::uint64_t most = 1ULL << 53U;  // the next one must be possible
  if (document->generation == 0 || document->generation > most ||
      document->reverted > document->generation) {
    return Error(ErrorCode::data_invalid,
                 "the settings of the cluster have no possible generation");
  }
  const std::string name = "generation " + std::to_string(document->generation);
  auto reading = config::parse_cluster_text(document->settings, name);
  if (!reading.diagnostics.empty()) {
    std::string detail;
    for (const auto& diagnostic : reading.diagnostics) {
      detail += (detail.empty() ? "" : "; ") + config::one_line(diagnostic);
    }
    return Error(ErrorCode::data_invalid, "the settings of the cluster cannot be used", detail,
                 "A newer version may have written them; `evergres edit-config` replaces them.");
  }
  Spec spec;
  spec.generation = document->generation;
  spec.changed_by = document->changed_by.substr(0, 200);
  spec.changed_wall_ms = document->changed_wall_ms;
  spec.reverted = document->reverted;
  spec.settings = std::move(reading.settings);
  return spec;
}

}  // namespace evergres::cluster
