#include "rules/plan_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/parameter_table.h"
#include "core/self_checksum.h"
#include "rules/lock.h"
#include "rules/reader.h"

namespace switchyard {

namespace {

/// Reads the members of a plan; everything wrong goes to the reader's diagnostics.
class DocumentReader {
 public:
  DocumentReader(Reader& read, PlanDocument& out) : read_(read), out_(out) {}

  void plan(const Node& plan) {
    if (!read_.version(plan, "switchyard_plan", "the plan")) return;
    out_.state_hash = hash(plan, "state_hash");
    out_.plan_hash = hash(plan, "plan_hash");
    const auto list = read_.require(plan, "parameters", "the plan");
    if (list && read_.array(*list, "`parameters`")) {
      out_.rows.reserve(list->json().size());
      for (std::size_t i = 0; i < list->json().size(); ++i) row(Node(*list, i));
    }
  }

  void lock(const Node& root, const Node& lock) {
    if (!object(lock, "`lock`")) return;
    if (const auto gradients = member(lock, "gradients", Json::Kind::object, "`lock`"))
      out_.gradients = gradients->json();
    if (const auto lines = member(lock, "state", Json::Kind::object, "`lock`")) state(*lines);
    const auto checksum = read_.require(lock, "sha256", "`lock`");
    // What is wrong in itself has a better place than the checksum.
    if (!checksum || read_.diagnostics().has_errors()) return;
    const auto found = lock_checksum(root.json());
    if (checksum->json().is(Json::Kind::string) && checksum->json().as_string() == found) return;
    auto& finding =
        read_.error("SWY-3202", "the lock is not as it was written: it was edited or is damaged", checksum->place());
    finding.label = fmt::format("the text has {}...", found.substr(0, 16));
    finding.help = "write it again with `switchyard plan SPEC --model M --write-lock FILE`";
  }

  /// The checksum of an index is of its text with zeros in the checksum's own place.
  void checkpoint(const Node& root) {
    if (!read_.version(root, "switchyard_checkpoint", "the index of a checkpoint")) return;
    if (const auto inner = member(root, "plan", Json::Kind::object, "the index of a checkpoint")) plan(*inner);
    if (const auto lines = member(root, "state", Json::Kind::object, "the index of a checkpoint")) state(*lines);
    const auto stored = member(root, "index_sha256", Json::Kind::string, "the index of a checkpoint");
    if (!stored || read_.diagnostics().has_errors()) return;
    const auto span = stored->json().span();
    if (self_checksum(std::string(read_.source_of(span)), span) == stored->json().as_string()) return;
    auto& finding = read_.error("SWY-3202",
                                "the index of the checkpoint is not as it was written: it was edited or is "
                                "damaged",
                                stored->place());
    finding.help = "use another checkpoint: this one does not load either";
  }

 private:
  bool object(const Node& node, const std::string& what) {
    if (node.json().is(Json::Kind::object)) return true;
    read_.wrong_type(node, what, "an object");
    return false;
  }

  std::optional<Node> member(const Node& node, const char* key, Json::Kind kind, const std::string& what) {
    auto found = read_.require(node, key, what);
    if (!found || found->json().is(kind)) return found;
    const bool is_object = kind == Json::Kind::object;
    read_.wrong_type(*found, fmt::format("`{}`", key),
                     is_object                   ? "an object"
                     : kind == Json::Kind::array ? "an array"
                                                 : "a string");
    return std::nullopt;
  }

  std::string text(const Node& node, const char* key) {
    const auto found = member(node, key, Json::Kind::string, "a parameter of the plan");
    return found ? found->json().as_string() : "";
  }

  std::string hash(const Node& node, const char* key) {
    const auto found = member(node, key, Json::Kind::string, "the plan");
    if (!found) return "";
    const auto& value = found->json().as_string();
    const bool good = value.size() == 64 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (good) return value;
    if (value.empty()) {
      read_
          .error("SWY-3203", "this is the document of a plan that could not be made: its hashes are empty",
                 found->place())
          .help = "its `diagnostics` say why; mend the spec and plan again";
    } else {
      read_.error("SWY-3201", fmt::format("`{}` is not a hash of 64 hexadecimal digits", key), found->place());
    }
    return "";
  }

  void row(const Node& node) {
    if (!object(node, "a parameter of the plan")) return;
    DocumentRow row;
    row.names.push_back(text(node, "name"));
    if (const auto aliases = node.child("aliases")) {
      if (read_.array(*aliases, "`aliases`")) {
        for (std::size_t i = 0; i < aliases->json().size(); ++i) {
          if (auto name = read_.text(Node(*aliases, i), "a name")) row.names.push_back(std::move(*name));
        }
      }
    }
    if (const auto shape = member(node, "shape", Json::Kind::array, "a parameter of the plan")) {
      std::vector<std::int64_t> sizes;
      for (std::size_t i = 0; i < shape->json().size(); ++i) {
        if (const auto size = read_.integer(Node(*shape, i), "a size", 0)) sizes.push_back(*size);
      }
      row.shape = to_string(sizes);
    }
    row.dtype = text(node, "dtype");
    row.rule = text(node, "rule");
    row.optimizer = text(node, "optimizer");
    row.plugin = text(node, "plugin");
    if (const auto blocks = member(node, "blocks", Json::Kind::array, "a parameter of the plan")) {
      for (std::size_t i = 0; i < blocks->json().size(); ++i) object(Node(*blocks, i), "a block");
      row.blocks = blocks->json();
    }
    if (const auto factors = member(node, "factors", Json::Kind::object, "a parameter of the plan"))
      row.factors = factors->json();
    if (const auto settings = member(node, "settings", Json::Kind::object, "a parameter of the plan"))
      row.settings = settings->json();
    for (const auto& name : row.names) {
      const auto [first, fresh] = names_.emplace(name, out_.rows.size());
      if (fresh) continue;
      const auto named = node.child("name");
      read_.error("SWY-3201", fmt::format("the plan lists `{}` twice", shown(name)), (named ? *named : node).place());
    }
    out_.rows.push_back(std::move(row));
  }

  void state(const Node& lines) {
    std::map<std::string, std::string> written;
    for (const auto& line : lines.json().members()) {
      const auto text = read_.text(Node(lines, line), "a line of state");
      if (!text) continue;
      written.emplace(line.key, *text);
      out_.state.emplace(line.key, upgraded_state_line(*text));
    }
    out_.older = written != out_.state;
    // The hash of an older build is of its own lines; what they say is hashed as it is today.
    if (out_.older && hash_of_state(written) == out_.state_hash) out_.state_hash = hash_of_state(out_.state);
  }

  Reader& read_;
  PlanDocument& out_;
  std::unordered_map<std::string, std::size_t> names_;
};

void foreign(const Node& root, DocumentKind kind, Reader& read) {
  auto place = root.place();
  place.span.length = std::min<std::size_t>(place.span.length, 1);
  const auto* what = kind == DocumentKind::spec       ? "this is a spec"
                     : kind == DocumentKind::manifest ? "this is a manifest"
                                                      : "this is not a document of switchyard";
  read.error("SWY-3200", fmt::format("expected a plan (a lock, a plan document or a checkpoint): {}", what), place)
      .help = kind == DocumentKind::spec ? "two specs are compared by `switchyard diff A B --model M`"
                                         : "a lock is written by `switchyard plan SPEC --model M --write-lock FILE`";
}

std::optional<PlanDocument> read_document(const Json& json, std::string_view text, const std::string& file,
                                          Diagnostics& diagnostics) {
  Diagnostics found;
  Reader read(text, found);
  const Node root(json);
  PlanDocument out;
  out.shown = file;
  DocumentReader reader(read, out);
  switch (const auto kind = document_kind(json)) {
    case DocumentKind::plan:
      reader.plan(root);
      if (const auto lock = root.child("lock")) reader.lock(root, *lock);
      break;
    case DocumentKind::checkpoint:
      reader.checkpoint(root);
      break;
    case DocumentKind::spec:
    case DocumentKind::manifest:
    case DocumentKind::unknown:
      foreign(root, kind, read);
      break;
  }
  const bool good = !found.has_errors();
  found.sort();
  diagnostics.append(found);
  if (!good) return std::nullopt;
  return out;
}

}  // namespace

const std::string& DocumentRow::key() const { return *std::min_element(names.begin(), names.end()); }

std::string DocumentRow::user() const { return frozen() ? "freeze" : fmt::format("{} ({})", optimizer, plugin); }

DocumentKind document_kind(const Json& root) {
  if (root.find("switchyard_plan") != nullptr) return DocumentKind::plan;
  if (root.find("switchyard_checkpoint") != nullptr) return DocumentKind::checkpoint;
  if (root.find("switchyard_manifest") != nullptr) return DocumentKind::manifest;
  if (root.find("switchyard") != nullptr) return DocumentKind::spec;
  return DocumentKind::unknown;
}

std::optional<PlanDocument> read_plan_document(std::string_view text, const std::string& file,
                                               Diagnostics& diagnostics) {
  Diagnostics syntax;
  const auto json = parse_json(text, file, syntax);
  diagnostics.append(syntax);
  if (!json || syntax.has_errors()) return std::nullopt;
  return read_document(*json, text, file, diagnostics);
}

std::optional<PlanDocument> plan_document_of(const Json& root, const std::string& shown, Diagnostics& diagnostics) {
  return read_document(root, "", shown, diagnostics);
}

}  // namespace switchyard
