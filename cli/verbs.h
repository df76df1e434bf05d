#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/model.h"
#include "cli/report.h"
#include "core/machine.h"
#include "core/registry.h"

namespace switchyard::cli {

/// What `plan` was asked for; empty members were not.
struct PlanRequest {
  std::string spec;
  ModelPaths model;
  std::string lock;     ///< file to write the lock to
  std::string against;  ///< lock, plan document or checkpoint to compare with; then the differences are printed
  std::string output;   ///< file to write to instead of stdout
  bool html = false;    ///< a page instead of text
  Machine machine{};    ///< what resolves options called `auto`
};

/// What `schema` was asked for; without anything, the schema of specs.
struct SchemaRequest {
  std::string plugin;    ///< the options of this plugin alone
  std::string document;  ///< a name of schema_documents()
  std::string folder;    ///< writes every generated file there and prints their names
  bool merged = false;   ///< with the loaded plugins
};

/// The verbs of the command, each a function from arguments to what is to be printed. They read files and write none,
/// except `schema --write`, `plan --write-lock` (or `-o`) and `init -o`.

Report validate(const std::vector<std::string>& specs, Format format, const Registry& registry);
Report plan(const PlanRequest& request, Format format, const Registry& registry);
/// `model` may be empty when neither side is a spec.
Report diff(const std::string& a, const std::string& b, const ModelPaths& model, Format format,
            const Registry& registry);
Report explain(const std::string& spec, const ModelPaths& model, const std::string& parameter, Format format,
               const Registry& registry);
Report explain_rule(const std::string& spec, const ModelPaths& model, const std::string& rule, Format format,
                    const Registry& registry);
/// What a code means, with an example: "SWY-1101" or "1101". Throws UsageError, with the nearest, for an unknown one.
Report explain_code(const std::string& code, Format format);
Report list_plugins(Format format, const Registry& registry);
Report show_plugin(const std::string& name, Format format, const Registry& registry);
Report schema(const SchemaRequest& request, Format format, const Registry& registry);
Report manifest(const ModelPaths& model, Format format);
/// `output` empty: the spec goes to stdout. `vars`: "n_head=12", "n_kv=4". An existing file is replaced only if
/// `force`.
Report init(const ModelPaths& model, const std::string& output, const std::vector<std::string>& vars, bool force,
            Format format, const Registry& registry);
/// Findings of the planner and of rules/lint.h, or with an empty `model` of rules/lint_names.h; exit 1 with more than
/// `max_warnings` warnings.
Report lint_spec(const std::string& spec, const ModelPaths& model, std::optional<std::int64_t> max_warnings,
                 Format format, const Registry& registry);
Report version(Format format);

}  // namespace switchyard::cli
