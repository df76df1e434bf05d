#include "cli/model.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cli/files.h"
#include "core/safetensors.h"
#include "rules/manifest.h"
#include "rules/manifest_safetensors.h"
#include "rules/manifest_torch.h"
#include "rules/shard_index.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

bool looks_like_safetensors(const std::string& path, std::string_view start) {
  // The length of a header is below 2^27, so bytes 4 to 7 are zero; JSON has no zero bytes.
  return ends_with(path, ".safetensors") ||
         (start.size() >= 8 && start.substr(0, 8).find('\0') != std::string_view::npos);
}

/// "model" of "model-00001-of-00003.safetensors" and of "model.safetensors.index.json".
std::string model_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  for (const auto* ending : {".json", ".index", ".safetensors", ".bin", ".pt", ".pth", ".ckpt"}) {
    if (ends_with(name, ending) && name.size() > std::string_view(ending).size())
      name.resize(name.size() - std::string_view(ending).size());
  }
  const auto of = name.rfind("-of-");
  const auto dash = of == std::string::npos || of == 0 ? std::string::npos : name.rfind('-', of - 1);
  const auto digits = [&](std::size_t begin, std::size_t end) {
    return begin < end && name.find_first_not_of("0123456789", begin) >= end;
  };
  if (dash != std::string::npos && dash > 0 && digits(dash + 1, of) && digits(of + 4, name.size())) name.resize(dash);
  return printable(name);
}

/// Reads the files of a model one by one; a mistake in one does not hide those of the others.
class ModelReader {
 public:
  ModelReader(Sources& sources, Diagnostics& diagnostics) : sources_(sources), diagnostics_(diagnostics) {}

  ModelResult read(const ModelPaths& paths) {
    whole_ = paths.size() == 1;
    for (const auto& path : paths) read_file_of(path, shown_path(path));
    Model model;
    if (manifest_) {
      model = std::move(*manifest_);
    } else {
      auto joined = join_shards(std::move(shards_), diagnostics_);
      if (!failed()) model.table = ParameterTable::build(std::move(joined), diagnostics_);
      model.name = model_name(paths.front());
      model.source = source_;
    }
    if (failed()) return {std::nullopt, unreadable_};
    return {std::move(model), false};
  }

 private:
  /// A shard as the index names it.
  struct Named {
    long long tensors = 0;
    const ShardIndex::Entry* first = nullptr;
  };

  bool failed() const { return unreadable_ || diagnostics_.count(Severity::error) != before_; }

  /// `name`: what the part is called in messages about several parts.
  void read_file_of(const std::string& path, const std::string& name) {
    auto file = open_file(path, diagnostics_);
    if (!file.source) {
      unreadable_ = true;
      return;
    }
    const auto start = file.source->read(0, std::min<std::int64_t>(file.source->size, 8));
    if (looks_like_torch(start)) {
      auto found = read_torch_file(std::move(*file.source), shown_path(path), diagnostics_);
      if (found) add(name, std::move(found->parameters), found->kind);
    } else if (looks_like_safetensors(path, start)) {
      const auto header = read_safetensors_header(path, diagnostics_);
      if (header) add(name, parameters_of(*header), "safetensors header");
    } else {
      read_text(path, name);
    }
  }

  void read_text(const std::string& path, const std::string& name) {
    if (shard_ != nullptr) {  // an index that names itself would be read for ever
      auto& finding = diagnostics_.error("SWY-3010", fmt::format("{} is no file of tensors", shown_path(path)),
                                         shard_->first->place);
      finding.label = fmt::format("should hold {}", counted(shard_->tensors, "tensor"));
      finding.help = "an index names safetensors files, or files that torch saved";
      return;
    }
    auto read = read_file(path, diagnostics_);
    unreadable_ = unreadable_ || read.unreadable;
    if (!read.text) return;
    const auto& text = sources_[shown_path(path)] = std::move(*read.text);
    if (looks_like_shard_index(text) || ends_with(path, ".index.json")) {
      read_index(path, text);
      return;
    }
    auto manifest = read_manifest(text, shown_path(path), diagnostics_);
    if (!manifest) return;
    if (whole_) {
      manifest_ = Model{std::move(manifest->model), std::move(manifest->source), std::move(manifest->table)};
    } else {
      add(name, manifest->table.parameters(), manifest->source);
    }
  }

  void read_index(const std::string& path, const std::string& text) {
    const auto index = read_shard_index(text, shown_path(path), diagnostics_);
    if (!index) return;
    const auto begin = shards_.size();
    std::unordered_map<std::string_view, Named> named;
    for (const auto& entry : index->entries) {
      auto& shard = named[entry.shard];
      if (shard.tensors++ == 0) shard.first = &entry;
    }
    for (const auto& shard : index->shards) {
      const auto file = std::filesystem::path(path).parent_path() / shard;
      Diagnostics opening;
      if (open_file(file.string(), opening).source) {
        shard_ = &named.at(shard);
        read_file_of(file.string(), shard);
        shard_ = nullptr;
      } else {
        missing(named.at(shard), opening);
      }
    }
    check_shards(*index, {shards_.begin() + static_cast<std::ptrdiff_t>(begin), shards_.end()}, diagnostics_);
    source_ += ", sharded";
  }

  void missing(const Named& shard, const Diagnostics& opening) {
    unreadable_ = true;
    auto& finding = diagnostics_.error("SWY-3010", opening.items().front().message, shard.first->place);
    finding.label = fmt::format("should hold {}", counted(shard.tensors, "tensor"));
    finding.help = "the files that an index names lie in its folder";
  }

  void add(const std::string& name, std::vector<ParameterInfo> parameters, const std::string& source) {
    shards_.push_back({name, std::move(parameters)});
    if (source_.empty()) source_ = source;
  }

  Sources& sources_;
  Diagnostics& diagnostics_;
  std::size_t before_ = diagnostics_.count(Severity::error);
  std::vector<Shard> shards_;
  bool whole_ = false;             ///< there is one path
  std::optional<Model> manifest_;  ///< the whole model
  std::string source_;
  const Named* shard_ = nullptr;  ///< that is being read
  bool unreadable_ = false;
};

}  // namespace

ModelResult read_model(const ModelPaths& paths, Sources& sources, Diagnostics& diagnostics) {
  return ModelReader(sources, diagnostics).read(paths);
}

std::string shown_model(const ModelPaths& paths) {
  return shown_path(paths.front()) + (paths.size() > 1 ? fmt::format(" and {} more", paths.size() - 1) : "");
}

}  // namespace switchyard::cli
