#include <fmt/format.h>

#include <map>
#include <utility>

#include "core/plan.h"
#include "rules/plugins_json.h"
#include "rules/plugins_names.h"
#include "rules/reader.h"

namespace switchyard {

namespace {

using namespace plugins;

class PluginsReader {
 public:
  PluginsReader(Reader& read, std::string file) : read_(read), file_(std::move(file)) {}

  /// The descriptors of the document, with the places of their names.
  std::vector<std::pair<OptimizerDescriptor, Place>> all(const Node& root) {
    std::vector<std::pair<OptimizerDescriptor, Place>> out;
    if (!read_.object(root, spots::plugins())) return out;
    if (!read_.version(root, "switchyard_plugins", "the list of plugins")) return out;
    if (const auto schema = root.child("$schema")) read_.text(*schema, "`$schema`");
    const auto list = read_.require(root, "plugins", "the list of plugins");
    if (!list || !read_.array(*list, "`plugins`")) return out;
    for (std::size_t i = 0; i < list->json().size(); ++i) {
      const Node node(*list, i);
      const auto before = read_.diagnostics().count(Severity::error);
      if (!read_.object(node, spots::plugin())) continue;
      auto descriptor = plugin(node);
      if (read_.diagnostics().count(Severity::error) != before) continue;
      const auto name = node.child("name");
      out.emplace_back(std::move(descriptor), name ? name->place() : node.place());
    }
    return out;
  }

 private:
  std::string text(const Node& node, const char* key, std::string otherwise = "") {
    const auto found = node.child(key);
    return found ? read_.text(*found, fmt::format("`{}`", key)).value_or("") : std::move(otherwise);
  }
  std::string required(const Node& node, const char* key, const std::string& what) {
    const auto found = read_.require(node, key, what);
    return found ? read_.text(*found, fmt::format("`{}`", key)).value_or("") : "";
  }
  bool flag(const Node& node, const char* key) {
    const auto found = node.child(key);
    return found && read_.boolean(*found, fmt::format("`{}`", key)).value_or(false);
  }
  std::int64_t integer(const Node& node, const char* key, std::int64_t low, std::int64_t otherwise) {
    const auto found = node.child(key);
    return found ? read_.integer(*found, fmt::format("`{}`", key), low).value_or(otherwise) : otherwise;
  }
  bool number(const Node& node, const char* key, double& into) {
    const auto found = node.child(key);
    if (found) into = read_.number(*found, fmt::format("`{}`", key)).value_or(into);
    return found.has_value();
  }
  template <class E>
  E name(const Node& node, const char* key, E otherwise) {
    const auto found = node.child(key);
    if (!found) return otherwise;
    const auto given = read_.choice(*found, fmt::format("`{}`", key), all_names<E>());
    return given ? value_of(*given, otherwise) : otherwise;
  }
  /// Calls visit for every object of a list, if there is one.
  template <class Visit>
  void each(const Node& node, const char* key, const Spot& spot, Visit&& visit) {
    const auto list = node.child(key);
    if (!list || !read_.array(*list, fmt::format("`{}`", key))) return;
    for (std::size_t i = 0; i < list->json().size(); ++i) {
      const Node item(*list, i);
      if (read_.object(item, spot)) visit(item);
    }
  }

  OptionInfo option(const Node& node) {
    OptionInfo out;
    const auto before = read_.diagnostics().count(Severity::error);
    out.name = required(node, "name", "an option");
    out.doc = text(node, "doc");
    read_.require(node, "type", "an option");
    out.type = name(node, "type", OptionType::number);
    out.interval.low_open = number(node, "above", out.interval.low);
    out.interval.high_open = number(node, "below", out.interval.high);
    for (const auto& [closed, open] : {std::pair("at_least", "above"), std::pair("at_most", "below")}) {
      if (!node.has(closed) || !node.has(open)) continue;
      read_.error("SWY-1018", fmt::format("`{}` and `{}` exclude each other", closed, open),
                  node.child(closed)->key_place());
    }
    number(node, "at_least", out.interval.low);
    number(node, "at_most", out.interval.high);
    out.length = static_cast<std::size_t>(integer(node, "length", 1, 0));
    each(node, "choices", spots::plugin_choice(), [&](const Node& choice) {
      out.choices.push_back({required(choice, "name", "a choice"), text(choice, "doc")});
    });
    out.schedulable = flag(node, "schedulable");
    out.arithmetic = flag(node, "arithmetic");
    out.role = name(node, "role", OptionRole::plain);
    const auto given = read_.require(node, "default", "an option");
    if (!given || read_.diagnostics().count(Severity::error) != before) return out;
    auto value = option_value_from_json(given->json());
    const auto wanted = value ? check_option(out, *value) : expected(out);
    if (!wanted.empty()) {
      auto& finding = read_.error(
          "SWY-1102",
          fmt::format("the default of option `{}` must be {}, got {}", shown(out.name), wanted, shown(given->json())),
          given->place());
      finding.label = "expected " + wanted;
    } else {
      out.default_value = std::move(*value);
    }
    return out;
  }

  Slot slot(const Node& node) {
    Slot out;
    out.name = required(node, "name", "a slot");
    out.shape = name(node, "shape", SlotShape::like_param);
    out.dtype = name(node, "dtype", SlotDtype::work);
    out.codec = text(node, "codec");
    out.when = text(node, "when");
    out.by_shape = flag(node, "by_shape");
    out.identity = flag(node, "identity");
    number(node, "initial", out.initial);
    return out;
  }

  Traits traits(const Node& node) {
    Traits out;
    out.unit = name(node, "unit", Unit::element);
    out.chunk = integer(node, "chunk", 1, 0);
    out.chunk_option = text(node, "chunk_option");
    each_flag(out, [&](const char* key, bool& into) { into = flag(node, key); });
    if (const auto upholds = node.child("upholds"); upholds && read_.array(*upholds, "`upholds`")) {
      for (std::size_t i = 0; i < upholds->json().size(); ++i) {
        if (auto constraint = read_.text(Node(*upholds, i), "the name of a constraint"))
          out.upholds.push_back(std::move(*constraint));
      }
    }
    return out;
  }

  OptimizerDescriptor plugin(const Node& node) {
    OptimizerDescriptor out;
    out.name = required(node, "name", "a plugin");
    out.doc = text(node, "doc");
    out.version = text(node, "version", out.version);
    out.state_version = integer(node, "state_version", 0, out.state_version);
    each(node, "options", spots::plugin_option(), [&](const Node& item) { out.table.options.push_back(option(item)); });
    each(node, "slots", spots::plugin_slot(), [&](const Node& item) { out.slots.push_back(slot(item)); });
    if (const auto found = node.child("traits"); found && read_.object(*found, spots::plugin_traits()))
      out.traits = traits(*found);
    if (const auto found = node.child("defaults")) {
      if (found->json().is(Json::Kind::object)) {
        out.defaults = dump_json(found->json(), 2);
      } else {
        read_.wrong_type(*found, "`defaults`", "an object: a spec that may lack anything");
      }
    }
    text(node, "loaded_from");  // of a listing; where it is read from now is what counts
    out.loaded_from = file_;
    return out;
  }

  Reader& read_;
  std::string file_;
};

/// The description, wherever it comes from.
std::string description(OptimizerDescriptor descriptor) {
  descriptor.loaded_from.clear();
  return dump_json(plugin_json(descriptor));
}

/// Adds what can be added. A plugin that is known already with the same description (a listing of another build holds
/// the built-in ones too) is passed over.
void add_all(std::vector<std::pair<OptimizerDescriptor, Place>> found, Registry& registry, Reader& read) {
  std::map<std::string, Place> here;
  for (auto& [descriptor, place] : found) {
    for (const auto& problem : problems_of(descriptor)) {
      read.error("SWY-3301",
                 fmt::format("the description of plugin `{}` contradicts itself: {}", shown(descriptor.name), problem),
                 place);
    }
    if (read.diagnostics().has_errors()) continue;
    const auto* known = registry.find(descriptor.name);
    const auto first = here.find(descriptor.name);
    if (known == nullptr) {
      here.emplace(descriptor.name, place);
      registry.add(std::move(descriptor));
    } else if (first != here.end() || description(*known) != description(descriptor)) {
      auto& finding = read.error("SWY-3300", fmt::format("the name `{}` is taken", descriptor.name), place);
      finding.label = first != here.end()          ? "twice in this file"
                      : known->loaded_from.empty() ? "a plugin of this build has it, with another description"
                                                   : fmt::format("a plugin of {} has it", known->loaded_from);
      finding.help = "give the plugin another name, or leave it out";
      if (first != here.end()) finding.related.push_back({"it is described here first", first->second});
    }
  }
}

}  // namespace

bool load_plugins(std::string_view text, const std::string& file, Registry& registry, Diagnostics& diagnostics) {
  Diagnostics found;
  auto extended = registry;
  const auto json = parse_json(text, file, found);
  if (json) {
    Reader read(text, found);
    auto descriptors = PluginsReader(read, file).all(Node(*json));
    add_all(std::move(descriptors), extended, read);
  }
  const bool good = json && !found.has_errors();
  found.sort();
  diagnostics.append(found);
  if (good) registry = std::move(extended);
  return good;
}

Registry registry_from_json(std::string_view text) {
  Registry registry;
  Diagnostics diagnostics;
  if (!load_plugins(text, "", registry, diagnostics)) throw SpecError(diagnostics, {{"", std::string(text)}});
  return registry;
}

}  // namespace switchyard
