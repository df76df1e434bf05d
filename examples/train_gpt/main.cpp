// A GPT trained on bytes: the example that the README starts with.
//
//   train_gpt                                   the repository's own text, Muon on the matrices and AdamW on the rest
//   train_gpt --data FILE --spec SPEC           another text, another composition
//   train_gpt --resume runs/gpt_muon_adamw-1 --steps 1000
//
// The whole of Switchyard's part is in `plan_of` and `run`: spec + model -> plan -> optimizer -> step.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/json.h"
#include "core/run/composed_optimizer.h"
#include "progress.h"
#include "rules/plan_text.h"
#include "rules/planner.h"
#include "rules/spec_files.h"
#include "sample.h"
#include "train.h"

namespace train_gpt {
namespace {

at::Device device_of(const std::string& name) {
  at::Device device(at::kCPU);
  try {
    device = at::Device(name);
  } catch (const c10::Error&) {
    throw UsageError(fmt::format("--device is cpu, cuda or cuda:<n>, not `{}`", name));
  }
  if (device.is_cuda() && !at::hasCUDA()) {
    throw switchyard::OptimizerError("no CUDA here: it needs a GPU, and a build with -DSWITCHYARD_CUDA_RUNTIME=ON");
  }
  return device;
}

struct Planned {
  switchyard::Plan plan;
  std::string text;  ///< the plan as people read it
};

/// Reads the spec and routes the model's parameters. Throws SpecError listing everything wrong; prints warnings.
Planned plan_of(const Options& options, const Gpt& model, const switchyard::Registry& registry) {
  const auto name = std::filesystem::proximate(options.spec).string();
  switchyard::Sources sources = {{name, read_file(options.spec)}};
  switchyard::Diagnostics diagnostics;
  auto spec = switchyard::parse_spec(sources.at(name), name, registry, diagnostics, switchyard::spec_files(sources));
  if (!spec) throw switchyard::SpecError(std::move(diagnostics), sources);
  if (options.base_lr) {
    if (!spec->base_lr) throw UsageError(fmt::format("--base-lr replaces the spec's `base_lr`, but {} has none", name));
    spec->base_lr = *options.base_lr;
  }
  switchyard::Diagnostics planning;
  const auto table = switchyard::table_from_tensors(switchyard::named_tensors(model.module()), planning);
  auto plan = switchyard::make_plan(*spec, table, registry, planning);
  if (!plan) throw switchyard::SpecError(std::move(planning), sources);
  if (!plan->diagnostics.empty()) fmt::print(stderr, "{}", switchyard::render(plan->diagnostics, sources));
  auto text = switchyard::plan_text(
      *plan, registry, table,
      {.spec_file = name, .model_file = "the GPT of train_gpt", .machine = switchyard::this_machine()});
  return {std::move(*plan), std::move(text)};
}

/// A schedule that ends elsewhere than the run is legal, and rarely meant.
void warn_of_schedules(const switchyard::Plan& plan, std::int64_t steps) {
  for (const auto& group : plan.groups) {
    for (const auto& [option, schedule] : group.schedules) {
      if (schedule.total > 0 && schedule.total != steps) {
        fmt::print(stderr, "note: the {} schedule of `{}` runs over {} steps (its `total`), this run over {}\n", option,
                   group.id, schedule.total, steps);
      }
    }
  }
}

std::string summary_json(const Result& result, const Options& options, const Corpus& corpus, const RunFolder& folder) {
  auto json = switchyard::Json::object();
  const auto number = [&](const char* name, double value) { json.set(name, switchyard::Json::real(value)); };
  const auto count = [&](const char* name, std::int64_t value) { json.set(name, switchyard::Json::integer(value)); };
  number("validation_loss", result.validation_loss);
  number("train_loss", result.train_loss);
  count("steps", result.step);
  count("resumed_at", result.first);
  number("seconds", result.seconds);
  number("tokens_per_second", result.tokens_per_second);
  count("validation_windows", corpus.validation_windows());
  count("data_bytes", corpus.bytes());
  json.set("data_sha256", corpus.sha256());
  json.set("spec", options.spec);
  json.set("out", folder.path());
  return switchyard::dump_json(json) + "\n";
}

void print_summary(const Result& result, const Options& options, const Corpus& corpus, const RunFolder& folder) {
  const auto ran = result.step - result.first;
  if (ran > 0) {
    fmt::print("\ntrained {} steps of {} x {} bytes in {} ({} tokens/s)\n", ran, options.batch, options.shape.context,
               clock_text(result.seconds), rate_text(result.tokens_per_second));
    fmt::print("training loss {:.4f} (last steps), ", result.train_loss);
  }
  fmt::print("validation loss {:.4f} nats a byte (all {} windows of the last tenth)\n\n", result.validation_loss,
             corpus.validation_windows());
  fmt::print("metrics      {}\ncheckpoint   {}\nmodel        {}\n", folder.metrics(), folder.checkpoint(),
             folder.model());
  fmt::print("to go on     train_gpt --resume {} --steps {}\n", folder.path(), 2 * result.step);
}

int run(const Options& options) {
  Gpt model(options.shape, options.seed);
  model.to(device_of(options.device));

  const auto registry = switchyard::builtin_registry();
  auto planned = plan_of(options, model, registry);
  auto* out = options.json ? stderr : stdout;  // with --format json, stdout is for the one document
  if (!options.quiet) {
    fmt::print(out, "{}\n", planned.text);
    std::fflush(out);
  }
  warn_of_schedules(planned.plan, options.steps);

  std::string source = options.data;
  auto text = options.data.empty() ? repository_text(source) : read_file(options.data);
  const Corpus corpus(std::move(text), source, options.shape.context);
  if (!options.quiet) {
    fmt::print(out, "data: {}, {} bytes, {} of them to train on\n      sha256 {}\n\n", source, corpus.bytes(),
               corpus.training_bytes(), corpus.sha256());
    std::fflush(out);
  }

  auto values = run_values(options);
  values["data_sha256"] = corpus.sha256();
  if (options.resume && read_run_values(options.out)["data_sha256"] != corpus.sha256()) {
    throw switchyard::OptimizerError(
        fmt::format("{} is not the text that the run in {} was trained on", source, options.out));
  }
  const auto path =
      options.out.empty() ? free_folder("runs", std::filesystem::path(options.spec).stem().string()) : options.out;
  const auto folder = options.resume ? RunFolder::open(path) : RunFolder::create(path, values);

  const std::shared_ptr<switchyard::MetricSink> metrics = switchyard::open_jsonl_sink(folder.metrics());
  switchyard::RunOptions run_options;
  run_options.sinks = {metrics};
  switchyard::ComposedOptimizer optimizer(std::move(planned.plan), model.module(), registry, run_options);
  std::int64_t first = 0;
  if (options.resume) {
    first = folder.load(model, optimizer);
    folder.cut_metrics(first);
  }
  if (first > options.steps)
    throw UsageError(fmt::format("the run has {} steps already, --steps is {}", first, options.steps));

  const auto result = train(model, corpus, optimizer, *metrics, folder, options, first);
  folder.save_model(model, result.step);
  if (options.json) {
    fmt::print("{}", summary_json(result, options, corpus, folder));
  } else {
    print_summary(result, options, corpus, folder);
  }
  if (!options.quiet && options.sample > 0) {
    fmt::print(out, "\n---- {} bytes of its own ----\n{}\n", options.sample,
               printable(sample(model, "\n", options.sample, options.seed)));
  }
  return 0;
}

}  // namespace
}  // namespace train_gpt

int main(int argc, char** argv) {
  try {
    const auto options = train_gpt::parse_options(argc, argv);
    return options ? train_gpt::run(*options) : 0;
  } catch (const train_gpt::UsageError& error) {
    fmt::print(stderr, "train_gpt: {}\nRun train_gpt --help for the options.\n", error.what());
    return 2;
  } catch (const switchyard::SpecError& error) {
    fmt::print(stderr, "{}", error.what());
    return 1;
  } catch (const switchyard::OptimizerError& error) {
    fmt::print(stderr, "train_gpt: {}\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "train_gpt: {}\n", error.what());
    return 70;
  }
}
