#include "rules/manifest.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/reader.h"

namespace switchyard {

namespace {

constexpr std::size_t most_axes = 64;  // of a LibTorch tensor

bool read_integers(Reader& read, const Node& node, const std::string& what, std::int64_t low,
                   std::vector<std::int64_t>& out) {
  if (!read.array(node, what)) return false;
  const auto& items = node.json().items();
  if (items.size() > most_axes) {
    read.error("SWY-1013", fmt::format("{} has {} entries, more than {}", what, items.size(), most_axes), node.place());
    return false;
  }
  bool good = true;
  out.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is(Json::Kind::integer) && items[i].as_int() >= low) {  // the usual case, without a message in mind
      out.push_back(items[i].as_int());
      continue;
    }
    const auto value = read.integer(Node(node, i), "an entry of " + what, low);
    good = good && value;
    if (value) out.push_back(*value);
  }
  return good;
}

void read_storage(Reader& read, const Node& node, ParameterInfo& info) {
  if (!read.object(node, spots::storage())) return;
  StorageInfo storage;
  if (const auto id = read.require(node, "id", "`storage`")) storage.id = read.text(*id, "`id`").value_or("");
  if (const auto offset = read.require(node, "offset", "`storage`"))
    storage.offset = read.integer(*offset, "`offset`", 0).value_or(0);
  const auto strides = read.require(node, "strides", "`storage`");
  if (!strides || !read_integers(read, *strides, "`strides`", 0, storage.strides)) return;
  if (storage.strides.size() != info.shape.size()) {
    read.error("SWY-1018",
               fmt::format("`strides` has {} entries, `shape` {}", storage.strides.size(), info.shape.size()),
               strides->place())
        .help = "one stride an axis";
  }
  // The last element's position must be a number: the search for overlapping views relies on it.
  std::int64_t end = storage.offset;
  bool overflow = false;
  for (std::size_t axis = 0; axis < std::min(info.shape.size(), storage.strides.size()); ++axis) {
    std::int64_t reach = 0;
    overflow = overflow ||
               __builtin_mul_overflow(std::max<std::int64_t>(info.shape[axis] - 1, 0), storage.strides[axis], &reach) ||
               __builtin_add_overflow(end, reach, &end);
  }
  if (overflow || end == std::numeric_limits<std::int64_t>::max()) {
    read.error("SWY-1013", "the last element of this view lies beyond 2^63 - 1", node.place());
  }
  info.storage = std::move(storage);
}

std::optional<ParameterInfo> read_parameter(Reader& read, const Node& node) {
  if (!read.object(node, spots::parameter())) return std::nullopt;
  ParameterInfo info;
  if (const auto names = read.require(node, "names", "a parameter")) {
    if (read.array(*names, "`names`", 1)) {
      for (std::size_t i = 0; i < names->json().size(); ++i) {
        const Node item(*names, i);
        auto name = read.text(item, "a name");
        if (name && name->empty()) read.error("SWY-1019", "a name is empty", item.place());
        if (!name) continue;
        if (std::find(info.names.begin(), info.names.end(), *name) != info.names.end()) {
          read.error("SWY-1015", fmt::format("`{}` is listed twice", shown(*name)), item.place());
        }
        info.names.push_back(std::move(*name));
      }
    }
  }
  bool shape_good = false;
  if (const auto shape = read.require(node, "shape", "a parameter"))
    shape_good = read_integers(read, *shape, "`shape`", 0, info.shape);
  if (const auto dtype = read.require(node, "dtype", "a parameter")) {
    info.dtype_name = read.text(*dtype, "`dtype`").value_or("");
    if (info.dtype_name.substr(0, 6) == "torch.") info.dtype_name = info.dtype_name.substr(6);
    info.dtype = dtype_from_string(info.dtype_name);
  }
  if (const auto flag = node.child("requires_grad"))
    info.requires_grad = read.boolean(*flag, "`requires_grad`").value_or(true);
  if (const auto module = node.child("module")) info.module = read.text(*module, "`module`").value_or("");
  if (const auto storage = node.child("storage"); storage && shape_good) read_storage(read, *storage, info);
  return info;
}

/// Findings about the table get the place of the parameter that they name.
void place_findings(Diagnostics& found, const Diagnostics& about_table, const Node& parameters) {
  constexpr std::size_t most_placed = 50;  // as many as are shown
  for (std::size_t n = 0; n < about_table.items().size(); ++n) {
    auto item = about_table.items()[n];
    const bool wanted = n < most_placed && !item.subject.empty();
    for (std::size_t i = 0; wanted && i < parameters.json().size(); ++i) {
      const auto* names = parameters.json().items()[i].find("names");
      if (names == nullptr) continue;
      for (const auto& name : names->items()) {
        // The last one of that name: an earlier one was legal when it came.
        if (name.is(Json::Kind::string) && name.as_string() == item.subject)
          item.place = {name.span(), Node(parameters, i).pointer() + "/names"};
      }
    }
    auto& copy = found.add(item.severity, item.code, item.message, item.place);
    copy = item;
  }
}

}  // namespace

std::optional<Manifest> read_manifest(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  Diagnostics found;
  Manifest out;
  const auto json = parse_json(text, file, found);
  if (json) {
    Reader read(text, found);
    const Node root(*json);
    if (read.object(root, spots::manifest())) {
      read.version(root, "switchyard_manifest", "the manifest");
      if (const auto schema = root.child("$schema")) read.text(*schema, "`$schema`");
      if (const auto model = read.require(root, "model", "the manifest"))
        out.model = read.text(*model, "`model`").value_or("");
      if (const auto source = root.child("source")) out.source = read.text(*source, "`source`").value_or("");
      const auto parameters = read.require(root, "parameters", "the manifest");
      if (parameters && read.array(*parameters, "`parameters`")) {
        std::vector<ParameterInfo> entries;
        entries.reserve(parameters->json().size());
        for (std::size_t i = 0; i < parameters->json().size(); ++i) {
          auto info = read_parameter(read, Node(*parameters, i));
          if (info) entries.push_back(std::move(*info));
        }
        if (!found.has_errors()) {
          Diagnostics about_table;
          out.table = ParameterTable::build(std::move(entries), about_table);
          place_findings(found, about_table, *parameters);
        }
      }
    }
  }
  const bool good = json && !found.has_errors();
  found.sort();
  diagnostics.append(found);
  if (!good) return std::nullopt;
  return out;
}

std::optional<ParameterTable> parse_manifest(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  auto manifest = read_manifest(text, file, diagnostics);
  if (!manifest) return std::nullopt;
  return std::move(manifest->table);
}

Json manifest_json(const ParameterTable& table, const std::string& model, const std::string& source) {
  auto out = Json::object();
  out.set("switchyard_manifest", Json::integer(1));
  out.set("model", model);
  if (!source.empty()) out.set("source", source);
  const auto integers = [](const std::vector<std::int64_t>& values) {
    auto list = Json::array();
    for (const auto value : values) list.push(Json::integer(value));
    return list;
  };
  auto parameters = Json::array();
  for (const auto& info : table.parameters()) {
    auto entry = Json::object();
    auto names = Json::array();
    for (const auto& name : info.names) names.push(Json::string(name));
    entry.set("names", std::move(names));
    entry.set("shape", integers(info.shape));
    entry.set("dtype", info.dtype_name);
    entry.set("requires_grad", Json::boolean(info.requires_grad));
    if (!info.module.empty()) entry.set("module", info.module);
    if (info.storage) {
      auto storage = Json::object();
      storage.set("id", info.storage->id);
      storage.set("offset", Json::integer(info.storage->offset));
      storage.set("strides", integers(info.storage->strides));
      entry.set("storage", std::move(storage));
    }
    parameters.push(std::move(entry));
  }
  out.set("parameters", std::move(parameters));
  return out;
}

}  // namespace switchyard
