#include "rules/extends.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/json_edit.h"
#include "rules/presets.h"

namespace switchyard {

namespace {

constexpr std::size_t most_depth = 16;
constexpr std::size_t most_files = 256;
constexpr std::string_view preset_prefix = "preset:";
constexpr std::string_view plugin_prefix = "plugin:";
constexpr std::string_view plugin_suffix = "/defaults";

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// "plugin:NAME/defaults"
std::string defaults_of(const std::string& plugin) {
  return fmt::format("{}{}{}", plugin_prefix, plugin, plugin_suffix);
}

std::vector<std::string> preset_names() {
  std::vector<std::string> out;
  for (const auto& [name, text] : presets()) out.push_back(name);
  return out;
}

class Extender {
 public:
  Extender(const Registry& registry, const SpecFiles& files, Reader& read, Sources& texts, Documents& documents)
      : registry_(registry), files_(files), read_(read), texts_(texts), documents_(documents) {}

  Json whole(const Json& document, const std::string& file) {
    documents_.by_file.emplace(file, document);
    const Node root(document);
    const auto extends = root.child("extends");
    if (!extends) return document;
    chain_.push_back(file);
    std::optional<Json> bases;
    read_.texts(*extends, "`extends`", [&](const Node& item, const std::string& reference) {
      auto base = find(item, reference, file);
      if (base) bases = bases ? merged(*base, *bases) : std::move(*base);
    });
    chain_.pop_back();
    std::vector<Json::Member> members;
    for (const auto& member : document.members()) {
      if (member.key != "extends") members.push_back(member);
    }
    const auto own = with_members(document, std::move(members));
    return bases ? merged(own, *bases) : own;
  }

 private:
  std::optional<Json> find(const Node& item, const std::string& reference, const std::string& file) {
    const bool preset = starts_with(reference, preset_prefix);
    const bool plugin = starts_with(reference, plugin_prefix);
    const auto path = preset || plugin ? reference : resolved(reference, file);
    const bool circle = std::find(chain_.begin(), chain_.end(), path) != chain_.end();
    if (circle || chain_.size() > most_depth || ++files_read_ > most_files) {
      auto& finding =
          read_.error("SWY-1161",
                      circle                       ? fmt::format("`extends` runs in a circle through `{}`", shown(path))
                      : chain_.size() > most_depth ? fmt::format("`extends` is more than {} files deep", most_depth)
                                                   : fmt::format("`extends` reads more than {} files", most_files),
                      item.place());
      finding.help = "remove one of the references";
      return std::nullopt;
    }
    const auto text = preset   ? preset_text(item, reference)
                      : plugin ? plugin_text(item, reference)
                               : file_text(item, reference, path);
    if (!text) return std::nullopt;
    texts_[path] = *text;
    if (files_.sources != nullptr) (*files_.sources)[path] = *text;
    const auto before = read_.diagnostics().count(Severity::error);
    const auto json = parse_json(*text, path, read_.diagnostics());
    if (!json) return std::nullopt;
    const Node root(*json);
    if (!json->is(Json::Kind::object)) {
      read_.wrong_type(root, "a spec", "an object");
      return std::nullopt;
    }
    read_.version(root, "switchyard", "the spec");
    auto out = whole(*json, path);
    if (read_.diagnostics().count(Severity::error) != before) return std::nullopt;
    return out;
  }

  static std::string resolved(const std::string& reference, const std::string& file) {
    return (std::filesystem::path(file).parent_path() / reference).lexically_normal().generic_string();
  }

  std::optional<std::string> preset_text(const Node& item, const std::string& reference) {
    const auto name = reference.substr(preset_prefix.size());
    if (const auto text = find_preset(name)) return std::string(*text);
    auto& finding = read_.error("SWY-1160", fmt::format("there is no preset `{}`", shown(name)), item.place());
    finding.label = "no such preset";
    const auto near = nearest(name, preset_names());
    finding.help = fmt::format("{}(presets: {})", near.empty() ? "" : "did you mean `preset:" + near + "`?   ",
                               listed(preset_names()));
    return std::nullopt;
  }

  /// The plugins that suggest something.
  std::vector<std::string> suggesting() const {
    std::vector<std::string> out;
    for (const auto& descriptor : registry_.optimizers()) {
      if (!descriptor.defaults.empty()) out.push_back(descriptor.name);
    }
    return out;
  }

  std::optional<std::string> plugin_text(const Node& item, const std::string& reference) {
    const auto rest = reference.substr(plugin_prefix.size());
    const auto name = rest.substr(0, rest.find('/'));
    const auto* descriptor = registry_.find(name);
    if (descriptor == nullptr) {
      auto& finding = read_.error("SWY-1017", fmt::format("there is no plugin `{}`", shown(name)), item.place());
      finding.label = "unknown plugin";
      const auto near = nearest(name, registry_.names());
      const auto* suggests = near.empty() ? nullptr : registry_.find(near);
      if (suggests != nullptr && !suggests->defaults.empty())
        finding.help = fmt::format("did you mean `{}`?   ", defaults_of(near));
      finding.help += fmt::format("(plugins that suggest rules: {})", listed(suggesting()));
      return std::nullopt;
    }
    if (reference != defaults_of(name)) {
      auto& finding =
          read_.error("SWY-1160", fmt::format("`{}` is nothing that a plugin has", shown(reference)), item.place());
      finding.label = "no such thing";
      finding.help = fmt::format("write \"{}\"", defaults_of(name));
      return std::nullopt;
    }
    if (!descriptor->defaults.empty()) return descriptor->defaults;
    auto& finding = read_.error("SWY-1162", fmt::format("plugin `{}` suggests no rules", name), item.place());
    finding.label = "it has no defaults";
    finding.help = suggesting().empty() ? "write the rules in this spec, or extend a preset"
                                        : fmt::format("(plugins that suggest rules: {})", listed(suggesting()));
    return std::nullopt;
  }

  std::optional<std::string> file_text(const Node& item, const std::string& reference, const std::string& path) {
    if (reference.empty()) {
      read_.error("SWY-1019", "an entry of `extends` is empty", item.place()).help =
          "write \"preset:NAME\", \"plugin:NAME/defaults\" or the path of a spec";
      return std::nullopt;
    }
    auto text = files_.read ? files_.read(path) : std::nullopt;
    if (text) return text;
    auto& finding = read_.error("SWY-1160", fmt::format("cannot read `{}`", shown(path)), item.place());
    finding.label = files_.read ? "no such file" : "this program reads presets only";
    const auto near = nearest(reference, preset_names());
    if (!near.empty()) finding.help = fmt::format("did you mean `preset:{}`?", near);
    if (near.empty() && files_.read) finding.help = "paths are relative to the file that names them";
    return std::nullopt;
  }

  const Registry& registry_;
  const SpecFiles& files_;
  Reader& read_;
  Sources& texts_;
  Documents& documents_;
  std::vector<std::string> chain_;
  std::size_t files_read_ = 0;
};

}  // namespace

bool is_shipped(const Place& place) {
  return starts_with(place.span.file, preset_prefix) || starts_with(place.span.file, plugin_prefix);
}

Json with_bases(const Json& root, const std::string& file, const Registry& registry, const SpecFiles& files,
                Reader& read, Sources& texts, Documents& documents) {
  return Extender(registry, files, read, texts, documents).whole(root, file);
}

}  // namespace switchyard
