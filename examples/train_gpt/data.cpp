#include "data.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/sha256.h"
#include "random.h"

namespace train_gpt {

namespace fs = std::filesystem;

Corpus::Corpus(std::string text, std::string source, std::int64_t context)
    : text_(std::move(text)), source_(std::move(source)), context_(context), split_(bytes() - bytes() / 10) {
  if (split_ < context + 1 || bytes() - split_ < context + 1) {
    throw switchyard::OptimizerError(fmt::format("{} has {} bytes; the tenth that validates must hold a window of {}",
                                                 source_, bytes(), context + 1));
  }
}

std::string Corpus::sha256() const { return switchyard::sha256(text_); }

void Corpus::put(Batch& batch, std::int64_t row, std::int64_t begin) const {
  auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>() + row * context_;
  auto* targets = batch.targets.mutable_data_ptr<std::int64_t>() + row * context_;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data()) + begin;
  std::copy_n(bytes, context_, inputs);
  std::copy_n(bytes + 1, context_, targets);
}

Corpus::Batch Corpus::training_batch(std::int64_t batch, std::uint64_t seed, std::int64_t step) const {
  Batch out{at::empty({batch, context_}, at::kLong), at::empty({batch, context_}, at::kLong)};
  const auto places = static_cast<std::uint64_t>(split_ - context_);
  for (std::int64_t row = 0; row < batch; ++row) {
    const auto bits = random_bits(seed, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(row));
    put(out, row, static_cast<std::int64_t>(bits % places));
  }
  return out;
}

std::int64_t Corpus::validation_windows() const { return (bytes() - split_ - 1) / context_; }

Corpus::Batch Corpus::validation_batch(std::int64_t first, std::int64_t count) const {
  Batch out{at::empty({count, context_}, at::kLong), at::empty({count, context_}, at::kLong)};
  for (std::int64_t row = 0; row < count; ++row) put(out, row, split_ + (first + row) * context_);
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || !fs::is_regular_file(path)) throw switchyard::OptimizerError("cannot read the file " + path);
  return std::move(text).str();
}

namespace {

/// No JSON: manifests of large models would drown the text.
bool is_text(const fs::path& path) {
  constexpr std::array extensions = {".md", ".h", ".cpp", ".cu", ".inc", ".cmake", ".py", ".sh"};
  return std::find(extensions.begin(), extensions.end(), path.extension()) != extensions.end();
}

bool is_output(const std::string& folder) { return folder[0] == '.' || folder == "build" || folder == "runs"; }

}  // namespace

std::string repository_text(std::string& source) {
  fs::path root = SWITCHYARD_SOURCE_DIR;
  if (!fs::is_directory(root)) root = fs::current_path();
  std::vector<fs::path> files;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(root, options); entry != fs::recursive_directory_iterator();
       ++entry) {
    if (entry->is_symlink()) continue;
    if (entry->is_directory() && is_output(entry->path().filename().string())) entry.disable_recursion_pending();
    if (entry->is_regular_file() && is_text(entry->path())) files.push_back(entry->path());
  }
  if (files.empty()) throw switchyard::OptimizerError("no text below " + root.string() + ": give a file with --data");
  std::sort(files.begin(), files.end());
  std::string text;
  for (const auto& file : files) text += read_file(file.string());
  source = fmt::format("this repository's own text ({} files)", files.size());
  return text;
}

}  // namespace train_gpt
