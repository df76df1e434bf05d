#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "gpt.h"

namespace train_gpt {

struct Options {
  // What makes the run: kept with it, and taken from there on --resume.
  std::string data;  ///< path; "" is the repository's own text
  std::string spec;
  std::optional<double> base_lr;  ///< replaces the spec's
  GptShape shape;
  std::int64_t batch = 16;
  std::uint64_t seed = 1;
  std::int64_t steps = 500;  ///< the one value that --resume may change

  // How it is carried out.
  std::string device = "cpu";
  std::string out;      ///< folder of the run; "" is the first free runs/<spec>-<n>
  bool resume = false;  ///< `out` holds a run that goes on
  std::int64_t checkpoint_every = 100;
  std::int64_t validate_every = 100;
  std::int64_t sample = 300;
  bool quiet = false;
  bool json = false;
};

/// A command line that cannot be run; the program exits with 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads the command line; on --resume also the folder's run.json. Nothing is returned when help was asked for and
/// printed. Throws UsageError (also naming every option that contradicts the run to be resumed), OptimizerError if
/// run.json is broken.
std::optional<Options> parse_options(int argc, const char* const* argv);

/// The options that make the run, by name, as texts that parse_options reads back.
std::map<std::string, std::string> run_values(const Options& options);

}  // namespace train_gpt
