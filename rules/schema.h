#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/registry.h"

/// JSON Schemas (draft-07) of the documents of this project, for editors and other tools. Objects have no keys beside
/// those of the schema, and every key has a description.
namespace switchyard {

/// Of specs, generated from the grammar's keys and the plugins' option tables: each plugin's options with types,
/// ranges, choices and defaults behind `if` plugin is X, so that a mistake is reported where it is. Keys that this
/// build refuses are not in it. What needs several values at once (rules that match nothing, schedules with warmup
/// beyond total) is checked by `validate` and `plan` only. `origin`: where it comes from, for "$comment".
Json spec_schema(const Registry& registry, const std::string& origin = "");

/// Of what `plan --format json` and `--write-lock` write: to_json(Plan) and lock_json().
Json plan_schema(const Registry& registry, const std::string& origin = "");

/// Of manifests, from the keys of the grammar: what read_manifest() accepts, but for what needs several values at once
/// (a name of two tensors, strides that do not fit the shape).
Json manifest_schema();

/// Of each line of a file of metrics, from the table of core/metric.h.
Json metrics_schema();

/// Of index.json in the folder of a checkpoint.
Json checkpoint_index_schema(const Registry& registry, const std::string& origin = "");

/// The schema of the `options` of one plugin alone.
Json options_schema(const OptimizerDescriptor& descriptor);

/// A kind of document that has a schema.
struct SchemaDocument {
  std::string name;   ///< "spec", "checkpoint-index"
  std::string about;  ///< "a spec"
  std::function<Json(const Registry&, const std::string& origin)> make;
};
const std::vector<SchemaDocument>& schema_documents();

/// File names under schemas/.
std::string schema_file(const SchemaDocument& document);
std::string options_schema_file(const std::string& plugin);
std::string plugins_file();

/// What a generated file holds: the document, indented, with a line end.
std::string generated_text(const Json& document);

}  // namespace switchyard
