#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "core/json.h"
#include "run_folder.h"

namespace train_gpt {

namespace {

namespace fs = std::filesystem;

constexpr const char* shipped = SWITCHYARD_SOURCE_DIR "/examples/specs/gpt_muon_adamw.json";

struct CommandLine {
  Options options;
  std::string resume;
  std::string format = "text";
  CLI::App app{"Trains a byte-level GPT with the optimizers that a Switchyard spec composes.", "train_gpt"};

  CommandLine() {
    const auto at_least = [](double low) { return CLI::Range(low, 9e18); };
    auto& o = options;
    app.add_option("--data", o.data, "Text to train on (default: this repository's own text)")
        ->check(CLI::ExistingFile);
    app.add_option("--spec", o.spec, fmt::format("Routing spec (default: {})", shipped))->check(CLI::ExistingFile);
    app.add_option("--base-lr", o.base_lr, "Replaces the spec's base_lr; every lr_scale stays")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--steps", o.steps, "Steps in all, those of a resumed run included")
        ->check(at_least(1))
        ->capture_default_str();
    app.add_option("--batch", o.batch, "Windows in a step")->check(at_least(1))->capture_default_str();
    app.add_option("--context", o.shape.context, "Bytes in a window")->check(at_least(1))->capture_default_str();
    app.add_option("--layers", o.shape.layers, "Blocks")->check(at_least(1))->capture_default_str();
    app.add_option("--width", o.shape.width, "Width of the model")->check(at_least(1))->capture_default_str();
    app.add_option("--heads", o.shape.heads, "Attention heads")->check(at_least(1))->capture_default_str();
    app.add_option("--seed", o.seed, "Decides the first parameters, the order of the data and the sample")
        ->capture_default_str();
    app.add_option("--device", o.device, "cpu, cuda or cuda:<n>")->capture_default_str();
    auto* out =
        app.add_option("--out", o.out, "Folder for metrics, checkpoints and the model (default: runs/<spec>-<n>)");
    app.add_option("--resume", resume, "Folder of a run to go on with, from its last checkpoint")->excludes(out);
    app.add_option("--checkpoint-every", o.checkpoint_every, "Steps between checkpoints; 0: only at the end")
        ->check(at_least(0))
        ->capture_default_str();
    app.add_option("--validate-every", o.validate_every, "Steps between validations; 0: only at the end")
        ->check(at_least(0))
        ->capture_default_str();
    app.add_option("--sample", o.sample, "Bytes of text to make at the end")->check(at_least(0))->capture_default_str();
    app.add_flag("--quiet", o.quiet, "No plan, no progress, no sample");
    app.add_option("--format", format, "text, or json: the result as one document on stdout, the rest on stderr")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
  }

  /// False when help was asked for.
  bool parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      fmt::print("{}", app.help());
      return false;
    } catch (const CLI::ParseError& error) {
      throw UsageError(error.what());
    }
    options.json = format == "json";
    if (options.spec.empty()) options.spec = shipped;
    return true;
  }
};

}  // namespace

std::map<std::string, std::string> run_values(const Options& options) {
  // Absolute: the run may be resumed from another folder.
  const auto absolute = [](const std::string& path) {
    return path.empty() ? "" : fs::absolute(path).lexically_normal().string();
  };
  std::map<std::string, std::string> values = {{"data", absolute(options.data)},
                                               {"spec", absolute(options.spec)},
                                               {"batch", std::to_string(options.batch)},
                                               {"context", std::to_string(options.shape.context)},
                                               {"layers", std::to_string(options.shape.layers)},
                                               {"width", std::to_string(options.shape.width)},
                                               {"heads", std::to_string(options.shape.heads)},
                                               {"seed", std::to_string(options.seed)},
                                               {"steps", std::to_string(options.steps)}};
  if (options.base_lr) values["base-lr"] = switchyard::shortest(*options.base_lr);
  return values;
}

std::optional<Options> parse_options(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  CommandLine given;
  if (!given.parse(arguments)) return std::nullopt;
  if (given.resume.empty()) return given.options;

  const auto kept = read_run_values(given.resume);
  for (const auto& [name, value] : kept) {
    auto* option = given.app.get_option_no_throw("--" + name);
    if (option != nullptr && option->count() == 0 && !value.empty()) arguments.push_back("--" + name + "=" + value);
  }
  CommandLine whole;
  whole.parse(std::move(arguments));
  std::string differences;
  for (const auto& [name, value] : run_values(whole.options)) {
    const auto found = kept.find(name);
    const auto before = found == kept.end() ? "" : found->second;
    if (name != "steps" && value != before)
      differences += fmt::format("\n  --{} {}, but the run has {}", name, value, before);
  }
  if (!differences.empty()) throw UsageError(fmt::format("{} holds another run:{}", given.resume, differences));
  whole.options.out = whole.resume;
  whole.options.resume = true;
  return whole.options;
}

}  // namespace train_gpt
