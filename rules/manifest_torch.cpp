#include "rules/manifest_torch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rules/pickle.h"
#include "rules/script_classes.h"
#include "rules/text_table.h"
#include "rules/torch_tensor.h"
#include "rules/zip_archive.h"

namespace switchyard {

namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view script_prefix = "__torch__.";
/// A tree of modules deeper or larger than this is a trap: shared modules can be reached on exponentially many ways.
constexpr int deepest_module = 100;
constexpr std::size_t most_visits = 1'000'000;
constexpr std::size_t most_name_bytes = std::size_t{256} << 20;

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

class TorchReader {
 public:
  TorchReader(const ZipArchive& archive, const Pickle& pickle, std::string root, std::string file,
              Diagnostics& diagnostics)
      : archive_(archive),
        pickle_(pickle),
        root_(std::move(root)),
        file_(std::move(file)),
        diagnostics_(diagnostics),
        classes_(archive, root_, file_) {}

  TorchFile read() {
    const auto& top = pickle_[pickle_.root];
    if (is_script(top)) {
      out_.kind = "TorchScript";
      walk(top, "", 0, true);
    } else if (state_of(top) != nullptr && pickle_.find(*state_of(top), "_parameters") != nullptr) {
      out_.kind = "pickled module";
      walk(top, "", 0, false);
    } else {
      out_.kind = "state_dict";
      read_state_dict(top);
    }
    if (out_.parameters.empty() && !failed_) {
      problem("SWY-3023", "the archive has no parameters with names").help =
          "save a module, or the dict that its state_dict() returns";
    }
    return std::move(out_);
  }
  bool failed() const { return failed_; }

 private:
  Diagnostic& problem(const std::string& code, const std::string& message, const std::string& subject = "") {
    failed_ = true;
    auto& finding = diagnostics_.error(code, message, {{file_, 0, 0}, ""});
    finding.subject = subject;
    return finding;
  }

  const std::string* class_of(const PickleValue& value) const {
    if (value.kind != Kind::object || pickle_[value.items[0]].kind != Kind::global) return nullptr;
    return &pickle_[value.items[0]].text;
  }
  bool is_script(const PickleValue& value) const {
    const auto* name = class_of(value);
    return name != nullptr && name->compare(0, script_prefix.size(), script_prefix) == 0;
  }
  /// The attributes of an object, if it has them as a dict.
  const PickleValue* state_of(const PickleValue& value) const {
    if (value.kind != Kind::object || value.items.size() < 3) return nullptr;
    const auto& state = pickle_[value.items[2]];
    return state.kind == Kind::dict ? &state : nullptr;
  }

  void add(const PickleValue& value, const std::string& name, const std::string& module, bool trainable) {
    std::string why;
    auto tensor = read_torch_tensor(pickle_, value, archive_, root_, why);
    if (!tensor) {
      problem("SWY-3024", fmt::format("tensor `{}` cannot be read: {}", printable(name), why), name);
      return;
    }
    auto& info = out_.parameters.emplace_back(std::move(tensor->info));
    info.names = {name};
    info.module = module;
    if (trainable && !tensor->is_parameter) info.requires_grad = can_require_grad(info.dtype_name);
  }

  /// Own parameters first, then the modules below, in the order in which they were registered.
  void walk(const PickleValue& module, const std::string& prefix, int depth, bool script) {
    if (!room(prefix, depth)) return;
    const auto* state = state_of(module);
    if (state == nullptr) return;
    const auto& type = *class_of(module);
    const auto* names = script ? classes_.parameters(type, diagnostics_) : nullptr;
    if (script && names == nullptr) {
      failed_ = true;
      return;
    }
    // The class of everything that LibTorch's torch::save writes; it says nothing.
    const auto shown = script && last_part(type) == "Module" ? std::string() : last_part(type);
    const auto* own = script ? state : pickle_.find(*state, "_parameters");
    const auto* below = script ? state : pickle_.find(*state, "_modules");
    each(own, [&](const std::string& key, const PickleValue& value) {
      const bool wanted = !script || names->count(key) > 0;
      if (!wanted || value.kind == Kind::none) return;  // a bias that is not there
      if (is_torch_tensor(pickle_, value)) {
        add(value, prefix + key, shown, false);
      } else {
        problem("SWY-3024", fmt::format("parameter `{}` is no tensor", printable(prefix + key)), prefix + key);
      }
    });
    each(below, [&](const std::string& key, const PickleValue& value) {
      if (script ? is_script(value) : class_of(value) != nullptr) walk(value, prefix + key + ".", depth + 1, script);
    });
  }

  bool room(const std::string& prefix, int depth) {
    name_bytes_ += prefix.size();
    if (depth <= deepest_module && ++visits_ <= most_visits && name_bytes_ <= most_name_bytes) return true;
    if (!failed_) problem("SWY-3023", "the modules of the archive are nested without end, or number over a million");
    return false;
  }

  template <class Visit>
  void each(const PickleValue* dict, Visit&& visit) const {
    for (std::size_t i = 0; dict != nullptr && dict->kind == Kind::dict && i + 1 < dict->items.size(); i += 2) {
      if (pickle_[dict->items[i]].kind == Kind::text) visit(pickle_.text(dict->items[i]), pickle_[dict->items[i + 1]]);
    }
  }

  bool has_tensors(const PickleValue& value) const {
    bool found = false;
    each(&value, [&](const std::string&, const PickleValue& item) { found = found || is_torch_tensor(pickle_, item); });
    return found;
  }

  void read_state_dict(const PickleValue& top) {
    const auto* dict = &top;
    if (!has_tensors(top)) {
      std::vector<std::string> keys;
      each(&top, [&](const std::string& key, const PickleValue& value) {
        if (!has_tensors(value)) return;
        keys.push_back(printable(key));
        dict = &value;
      });
      if (keys.size() > 1) {
        std::string list;
        for (const auto& key : keys) list += (list.empty() ? "`" : ", `") + key + "`";
        problem("SWY-3023", fmt::format("the checkpoint holds {} dicts of tensors: {}", keys.size(), list)).help =
            "save the one that is the model in a file of its own";
        return;
      }
    }
    each(dict, [&](const std::string& key, const PickleValue& value) {
      if (is_torch_tensor(pickle_, value)) add(value, key, "", true);
    });
  }

  const ZipArchive& archive_;
  const Pickle& pickle_;
  std::string root_;
  std::string file_;
  Diagnostics& diagnostics_;
  ScriptClasses classes_;
  TorchFile out_;
  bool failed_ = false;
  std::size_t visits_ = 0;
  std::size_t name_bytes_ = 0;
};

constexpr std::string_view zip_start = "PK\x03\x04";
constexpr std::string_view old_start = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20";  // the magic number of torch < 1.6

}  // namespace

bool looks_like_torch(std::string_view start) {
  return start.substr(0, 4) == zip_start || (start.size() >= 8 && old_start.substr(0, 8) == start.substr(0, 8));
}

std::optional<TorchFile> read_torch_file(ByteSource source, const std::string& file, Diagnostics& diagnostics) {
  const auto start = source.read(0, std::min<std::int64_t>(source.size, 8));
  if (start.size() == 8 && old_start.substr(0, 8) == start) {
    diagnostics.error("SWY-3020", "the file has the format that torch wrote before version 1.6", {{file, 0, 0}, ""})
        .help = "load it with a newer torch and save it again";
    return std::nullopt;
  }
  const auto archive = ZipArchive::open(std::move(source), file, diagnostics);
  if (!archive) return std::nullopt;
  // Everything lies in one folder, named after the file that was saved.
  const ZipRecord* data = nullptr;
  for (const auto& record : archive->records()) {
    const auto slash = record.name.find('/');
    if (slash != std::string::npos && record.name.substr(slash) == "/data.pkl") data = &record;
  }
  if (data == nullptr) {
    diagnostics.error("SWY-3021", "the zip archive has no record `<name>/data.pkl`: torch did not write it",
                      {{file, 0, 0}, ""});
    return std::nullopt;
  }
  const auto text = archive->read(*data, Pickle::most_bytes, diagnostics);
  if (!text) return std::nullopt;
  const auto pickle = read_pickle(*text, file, diagnostics);
  if (!pickle) return std::nullopt;
  TorchReader reader(*archive, *pickle, data->name.substr(0, data->name.find('/')), file, diagnostics);
  auto out = reader.read();
  if (reader.failed()) return std::nullopt;
  return out;
}

}  // namespace switchyard
