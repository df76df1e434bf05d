#include "rules/manifest_torch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
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
constexpr std::string_view custom_prefix = "__torch__.torch.classes.";  // written in C++: no source, any state
/// A tree of modules deeper or larger than this is a trap: what is shared can be reached on exponentially many ways.
constexpr int deepest_module = 100;
constexpr std::size_t most_visits = 8'000'000;
constexpr std::size_t most_parameters = 1'000'000;
constexpr std::size_t most_name_bytes = std::size_t{256} << 20;
/// After this many findings the rest is not read.
constexpr int most_problems = 50;
constexpr std::size_t most_listed = 10;
/// Keys under which a checkpoint keeps its model beside tensors that are none of it.
constexpr std::string_view model_keys[] = {"model", "state_dict", "model_state_dict"};

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
    } else if (class_of(top) != nullptr && state_of(top) != nullptr &&
               pickle_.find(*state_of(top), "_parameters") != nullptr) {
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
    ++problems_;
    auto& finding = diagnostics_.error(code, message, {{file_, 0, 0}, ""});
    finding.subject = subject;
    if (problems_ == most_problems) finding.notes.push_back("the rest of the file is not read");
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

  bool is_custom(const PickleValue& value) const {
    const auto* name = class_of(value);
    return name != nullptr && name->compare(0, custom_prefix.size(), custom_prefix) == 0;
  }

  void add(const PickleValue& value, const std::string& name, const std::string& module, bool trainable) {
    if (out_.parameters.size() == most_parameters) return too_large();
    std::string why;
    auto tensor = read_torch_tensor(pickle_, value, archive_, root_, why);
    if (!tensor) {
      problem("SWY-3024", fmt::format("tensor `{}` cannot be read: {}", printable(name), printable(why)), name);
      return;
    }
    // One tensor can be reached under a million names, each with a copy of these.
    spend(module.size() + tensor->info.storage->id.size() + 16 * tensor->info.shape.size());
    auto& info = out_.parameters.emplace_back(std::move(tensor->info));
    info.names = {name};
    info.module = module;
    if (trainable && !tensor->is_parameter) info.requires_grad = can_require_grad(info.dtype_name);
  }

  /// Own parameters first, then the modules below, in the order in which they were registered.
  void walk(const PickleValue& module, const std::string& prefix, int depth, bool script) {
    if (depth > deepest_module) return too_large();
    const auto& type = *class_of(module);
    const auto* names = script ? classes_.parameters(type, diagnostics_) : nullptr;
    if (script && names == nullptr) {
      failed_ = true;
      ++problems_;
      return;
    }
    const auto* state = state_of(module);
    if (state == nullptr) {
      // A scripted class with a state of its own making keeps no parameters, unless it says so.
      if (!script || !names->empty()) unreadable_module(prefix, type);
      return;
    }
    // The class of everything that LibTorch's torch::save writes; it says nothing.
    const auto shown = script && last_part(type) == "Module" ? std::string() : last_part(type);
    const auto* own = script ? state : pickle_.find(*state, "_parameters");
    const auto* below = script ? state : pickle_.find(*state, "_modules");
    each(own, prefix, [&](const std::string& key, const PickleValue& value) {
      const bool wanted = !script || names->count(key) > 0;
      if (!wanted || value.kind == Kind::none) return;  // a bias that is not there
      if (is_torch_tensor(pickle_, value)) {
        add(value, prefix + key, shown, false);
      } else {
        problem("SWY-3024", fmt::format("parameter `{}` is no tensor", printable(prefix + key)), prefix + key);
      }
    });
    each(below, prefix, [&](const std::string& key, const PickleValue& value) {
      const auto inner = prefix + key + ".";
      if (script ? is_script(value) && !is_custom(value) : class_of(value) != nullptr) {
        walk(value, inner, depth + 1, script);
      } else if (!script && value.kind != Kind::none) {
        unreadable_module(inner, "");
      }
    });
    unnamed(own, prefix, true);
    if (below != own) unnamed(below, prefix, true);
  }

  void unreadable_module(const std::string& prefix, const std::string& type) {
    const auto name = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
    problem("SWY-3024",
            fmt::format("module `{}`{} does not keep its attributes in a dict: its parameters cannot be read",
                        printable(name), type.empty() ? "" : fmt::format(" of class `{}`", printable(type))),
            name);
  }

  void too_large() {
    if (!stopped_) {
      problem("SWY-3023", fmt::format("the modules of the archive are nested without end, or have more than {} "
                                      "parameters, {} attributes or {} bytes of names and shapes",
                                      most_parameters, most_visits, most_name_bytes));
    }
    stopped_ = true;
  }
  /// Takes one visit off what is left; false once nothing is.
  bool spend(std::size_t name_bytes) {
    name_bytes_ += name_bytes;
    if (++visits_ > most_visits || name_bytes_ > most_name_bytes) too_large();
    return !stopped_ && problems_ < most_problems;
  }

  template <class Visit>
  void each(const PickleValue* dict, const std::string& prefix, Visit&& visit) {
    for (std::size_t i = 0; dict != nullptr && dict->kind == Kind::dict && i + 1 < dict->items.size(); i += 2) {
      const auto& key = pickle_[dict->items[i]];
      if (!spend(prefix.size() + key.text.size())) return;
      if (key.kind == Kind::text) visit(key.text, pickle_[dict->items[i + 1]]);
    }
  }
  /// Reports tensors (and modules) under keys that are no texts: without it they would be missing and nobody told.
  void unnamed(const PickleValue* dict, const std::string& prefix, bool modules) {
    for (std::size_t i = 0; dict != nullptr && dict->kind == Kind::dict && i + 1 < dict->items.size(); i += 2) {
      if (!spend(0)) return;
      const auto& value = pickle_[dict->items[i + 1]];
      if (pickle_[dict->items[i]].kind == Kind::text) continue;
      if (!is_torch_tensor(pickle_, value) && !(modules && class_of(value) != nullptr)) continue;
      problem("SWY-3024", fmt::format("a tensor or module in {} has a key that is no text of UTF-8 without U+0000",
                                      prefix.empty() ? "the file" : fmt::format("`{}`", printable(prefix))));
    }
  }

  /// A dict of tensors under names, readable or not; whole numbers are none (an optimizer counts its parameters).
  bool has_tensors(const PickleValue& value) {
    for (std::size_t i = 0; value.kind == Kind::dict && i + 1 < value.items.size() && spend(0); i += 2) {
      const auto kind = pickle_[value.items[i]].kind;
      const bool named = kind == Kind::text || kind == Kind::other;
      if (named && is_torch_tensor(pickle_, pickle_[value.items[i + 1]])) return true;
    }
    return false;
  }

  /// True for what a checkpoint keeps beside its model: a best score, the state of a generator of random numbers.
  bool beside_a_model(const PickleValue& value) const {
    std::string why;
    const auto tensor = read_torch_tensor(pickle_, value, archive_, root_, why);
    if (!tensor) return false;
    const auto& shape = tensor->info.shape;
    return tensor->info.dtype_name == "uint8" ||
           std::all_of(shape.begin(), shape.end(), [](std::int64_t size) { return size == 1; });
  }

  void read_state_dict(const PickleValue& top) {
    const auto* dict = &top;
    std::vector<std::string> keys;  // of dicts of tensors
    bool tensors = false, others = false;
    each(&top, "", [&](const std::string& key, const PickleValue& value) {
      if (is_torch_tensor(pickle_, value)) {
        tensors = true;
        others = others || !beside_a_model(value);
      } else if (last_part(key) != "_extra_state" && has_tensors(value)) {
        keys.push_back(key);
        dict = &value;
      }
    });
    const bool sure =
        keys.size() == 1 && (!tensors || (!others && std::find(std::begin(model_keys), std::end(model_keys), keys[0]) !=
                                                         std::end(model_keys)));
    if (!keys.empty() && !sure) {
      std::string list;
      for (std::size_t i = 0; i < std::min(keys.size(), most_listed); ++i)
        list += (i == 0 ? "`" : ", `") + printable(keys[i]) + "`";
      if (keys.size() > most_listed) list += ", ...";
      problem("SWY-3023", tensors ? fmt::format("the checkpoint holds tensors and beside them {} {}: {}", keys.size(),
                                                keys.size() == 1 ? "dict of tensors" : "dicts of tensors", list)
                                  : fmt::format("the checkpoint holds {} dicts of tensors: {}", keys.size(), list))
          .help = "save the one that is the model in a file of its own";
      return;
    }
    each(dict, "", [&](const std::string& key, const PickleValue& value) {
      if (is_torch_tensor(pickle_, value)) add(value, key, "", true);
    });
    unnamed(dict, "", false);
    if (dict != &top) unnamed(&top, "", false);
  }

  const ZipArchive& archive_;
  const Pickle& pickle_;
  std::string root_;
  std::string file_;
  Diagnostics& diagnostics_;
  ScriptClasses classes_;
  TorchFile out_;
  bool failed_ = false;
  bool stopped_ = false;
  int problems_ = 0;
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
  const ZipRecord* second = nullptr;
  for (const auto& record : archive->records()) {
    const auto slash = record.name.find('/');
    if (slash != std::string::npos && record.name.substr(slash) == "/data.pkl")
      (data == nullptr ? data : second) = &record;
  }
  if (data == nullptr) {
    diagnostics.error("SWY-3021", "the zip archive has no record `<name>/data.pkl`: torch did not write it",
                      {{file, 0, 0}, ""});
    return std::nullopt;
  }
  if (second != nullptr) {
    diagnostics.error("SWY-3021",
                      fmt::format("the archive has two records for its data: `{}` and `{}`", printable(data->name),
                                  printable(second->name)),
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
