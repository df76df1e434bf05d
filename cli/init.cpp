#include "rules/init.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/files.h"
#include "cli/verbs.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// n_head=12,n_kv=4
HeadCounts head_counts(const std::vector<std::string>& vars) {
  HeadCounts out;
  for (const auto& var : vars) {
    const auto equals = var.find('=');
    const auto name = var.substr(0, equals);
    if (name != "n_head" && name != "n_kv") {
      const auto near = nearest(name, {"n_head", "n_kv"});
      throw UsageError(fmt::format("--vars knows n_head and n_kv, not `{}`{}", printable(name),
                                   near.empty() ? "" : "; did you mean `" + near + "`?"));
    }
    const auto text = equals == std::string::npos ? std::string() : var.substr(equals + 1);
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size() || value < 1 ||
        value > 1 << 20) {
      throw UsageError(
          fmt::format("--vars {} must be a whole number from 1, as in {}=12, got `{}`", name, name, printable(text)));
    }
    (name == "n_head" ? out.heads : out.kv_heads) = value;
  }
  if (out.kv_heads && !out.heads) throw UsageError("--vars n_kv needs n_head as well");
  if (out.kv_heads && *out.heads % *out.kv_heads != 0) throw UsageError("--vars n_kv must divide n_head");
  return out;
}

/// Head counts are for fused tensors; warns if they cut none.
void check_used(const std::vector<ParameterRole>& roles, Diagnostics& diagnostics) {
  const auto used = [](const ParameterRole& role) { return role.split && role.split->interleave > 1; };
  if (std::any_of(roles.begin(), roles.end(), used)) return;
  auto& finding = diagnostics.warning("SWY-3151", "no fused tensor of the model was split with the given head counts");
  finding.help = "leave --vars out, or correct n_head and n_kv: they must divide the fused axis";
}

/// Writes a new file; an old one is replaced only if `force`.
void write_new(const std::string& path, const std::string& text, bool force) {
  if (!force && std::filesystem::exists(std::filesystem::symlink_status(path))) {
    throw UsageError(fmt::format("{} exists; --force replaces it", shown_path(path)));
  }
  write_whole(path, text);
}

}  // namespace

Report init(const ModelPaths& model, const std::string& output, const std::vector<std::string>& vars, bool force,
            Format format, const Registry& registry) {
  const auto heads = head_counts(vars);
  Report report;
  Sources sources;
  Diagnostics diagnostics;
  const auto read = read_model(model, sources, diagnostics);
  std::string text;
  if (read.model) {
    const bool trains = std::any_of(read.model->table.parameters().begin(), read.model->table.parameters().end(),
                                    [](const ParameterInfo& info) { return info.requires_grad; });
    if (trains) {
      const auto roles = classify(read.model->table, heads);
      text = init_spec(read.model->table, roles, registry, read.model->name);
      if (heads.heads) check_used(roles, diagnostics);
    } else {
      diagnostics.error("SWY-3150", "the model has no tensor that requires a gradient: there is nothing to route");
    }
  }
  report.exit = read.unreadable ? usage : diagnostics.has_errors() ? wrong_input : fine;
  if (format == Format::text) report.err = diagnostics_text(diagnostics, sources);
  if (text.empty()) {
    if (format == Format::json) report.out = document(error_document(diagnostics, sources));
    return report;
  }
  if (output.empty()) {
    report.out = text;
    return report;
  }
  write_new(output, text, force);
  if (format == Format::json) {
    auto json = Json::object();
    json.set("switchyard_init", Json::integer(1));
    json.set("file", shown_path(output));
    json.set("diagnostics", diagnostics_json(diagnostics, sources));
    report.out = document(json);
  } else {
    report.out = fmt::format("wrote {0}; look at it with: switchyard plan {0}", shown_path(output));
    for (const auto& path : model) report.out += " --model " + shown_path(path);
    report.out += "\n";
  }
  return report;
}

}  // namespace switchyard::cli
