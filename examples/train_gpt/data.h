#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace train_gpt {

/// A text as bytes: the first 90 % are trained on, the rest validates.
class Corpus {
 public:
  /// `source` is what people call it. Throws OptimizerError if either part is shorter than one window of `context` + 1
  /// bytes.
  Corpus(std::string text, std::string source, std::int64_t context);

  const std::string& source() const { return source_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(text_.size()); }
  std::int64_t training_bytes() const { return split_; }
  std::string sha256() const;

  struct Batch {
    at::Tensor inputs;   ///< int64 [B, context]
    at::Tensor targets;  ///< int64 [B, context]: the byte after each input
  };
  /// Windows at random places (with replacement). A pure function of the arguments: a resumed run sees what an unbroken
  /// one would.
  Batch training_batch(std::int64_t batch, std::uint64_t seed, std::int64_t step) const;

  /// Validation windows do not overlap and leave out only the bytes at the end that fill no window.
  std::int64_t validation_windows() const;
  Batch validation_batch(std::int64_t first, std::int64_t count) const;

 private:
  void put(Batch& batch, std::int64_t row, std::int64_t begin) const;

  std::string text_;
  std::string source_;
  std::int64_t context_;
  std::int64_t split_;
};

/// The bytes of a file. Throws OptimizerError.
std::string read_file(const std::string& path);

/// The text files of this repository one after the other in order of path, so that a first run downloads nothing: those
/// below the folder that the program was built from, or, if that is gone, below the working directory. Hidden folders
/// and build output are left out. `source` becomes a description. Throws OptimizerError if there are none.
std::string repository_text(std::string& source);

}  // namespace train_gpt
