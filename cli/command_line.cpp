#include "cli/command_line.h"

#include <fmt/format.h>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>

#include "cli/plugin_files.h"
#include "cli/verbs.h"
#include "core/run/machine.h"
#include "rules/schema.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// The parser with the places that it fills.
class CommandLine {
 public:
  CommandLine()
      : app_("Declarative optimizer routing: says which optimizer trains which tensor, and why.", "switchyard") {
    app_.require_subcommand(0, 1);
    app_.get_formatter()->column_width(34);
    app_.footer(
        "Exit status: 0 fine, 1 something wrong inside an input file, 2 usage or a file that cannot be opened, 3 "
        "differs (only where a comparison was asked for), 70 internal error.\n"
        "Examples:\n"
        "  switchyard validate spec.json\n"
        "  switchyard plan spec.json --model model.safetensors\n"
        "  switchyard explain spec.json --model gpt2.manifest.json --param transformer.h.3.attn.c_proj.weight\n"
        "  switchyard explain --code SWY-2001\n"
        "  switchyard VERB --help");
    app_.add_flag("--version", version_, "Versions of switchyard, LibTorch and the compiler, and the build type");
    add_format(app_);

    auto* validate_verb = verb("validate", "Check specs without a model",
                               "switchyard validate spec.json\n  switchyard validate a.json b.json --format json",
                               [this](const Registry& registry) { return validate(specs_, format(), registry); });
    validate_verb->add_option("SPEC", specs_, "Spec files")->required();
    add_plugins(*validate_verb);

    auto* plan_verb =
        verb("plan", "Show what a spec does to a model",
             "switchyard plan spec.json --model model.safetensors\n"
             "  switchyard plan spec.json --model model.safetensors.index.json --write-lock plan.lock\n"
             "  switchyard plan spec.json --model model.pt --against plan.lock\n"
             "  switchyard plan spec.json --model gpt2.manifest.json --format html -o plan.html",
             [this](const Registry& registry) {
               return plan({spec_, model_, lock_, against_, output_, format_ == "html", machine()}, format(), registry);
             },
             {"text", "json", "html"});
    add_inputs(*plan_verb);
    plan_verb->add_option("-o,--output", output_, "Write the plan into this file instead of stdout");
    plan_verb->add_option("--write-lock", lock_, "Write the plan with its hashes into this file");
    plan_verb
        ->add_option("--machine", machine_,
                     "What `auto` is resolved for: auto (default): this processor; plain: one that multiplies float32 "
                     "faster than bfloat16; bfloat16: one with units for it")
        ->check(one_of({"auto", "plain", "bfloat16"}));
    plan_verb->add_option("--against", against_,
                          "Print the differences from this lock, plan document or checkpoint folder; exit 3 if any");

    auto* diff_verb =
        verb("diff", "Compare two specs on one model, or two plans (locks, documents, checkpoints)",
             "switchyard diff old.json new.json --model model.safetensors\n"
             "  switchyard diff plan.lock runs/gpt2/checkpoint",
             [this](const Registry& registry) { return diff(spec_, other_, model_, format(), registry); });
    diff_verb->add_option("A", spec_, "Spec, lock, plan document or checkpoint folder")->required();
    diff_verb->add_option("B", other_, "What to compare it with")->required();
    add_model(*diff_verb, false);
    add_plugins(*diff_verb);

    auto* explain_verb =
        verb("explain",
             "Show how one tensor finds its optimizer and every factor of its learning rate, what a rule does, or what "
             "a code means",
             "switchyard explain spec.json --model model.safetensors --param lm_head.weight\n"
             "  switchyard explain spec.json --model model.safetensors --rule fused-qkv\n"
             "  switchyard explain --code SWY-2001",
             [this](const Registry& registry) { return explain_what(registry); });
    auto* spec = explain_verb->add_option("SPEC", spec_, "Spec file");
    auto* model = add_model(*explain_verb, false);
    add_plugins(*explain_verb);
    auto* parameter = explain_verb->add_option("--param", parameter_, "Name of the tensor, any of its names");
    auto* rule = explain_verb->add_option("--rule", rule_,
                                          "Id of a rule: what it takes, what it loses, its view on "
                                          "each shape");
    rule->excludes(parameter);
    explain_verb->add_option("--code", code_, "A code as findings have it: what it means, with an example")
        ->excludes(parameter)
        ->excludes(rule)
        ->excludes(spec)
        ->excludes(model);

    auto* plugins_verb =
        verb("plugins", "List the optimizer plugins, or show one",
             "switchyard plugins list\n  switchyard plugins show muon", [this](const Registry& registry) {
               return show_->parsed() ? show_plugin(plugin_, format(), registry) : list_plugins(format(), registry);
             });
    plugins_verb->require_subcommand(1);
    auto* list_verb = plugins_verb->add_subcommand("list", "One line a plugin");
    add_format(*list_verb);
    add_plugins(*list_verb);
    list_verb->footer("Examples:\n  switchyard plugins list --format json");
    show_ = plugins_verb->add_subcommand("show", "Options, state and traits of a plugin");
    add_format(*show_);
    add_plugins(*show_);
    show_->footer("Examples:\n  switchyard plugins show muon");
    show_->add_option("NAME", plugin_, "Name of the plugin")->required();

    auto* schema_verb =
        verb("schema", "JSON Schema (draft-07) of specs, other documents, or the options of one plugin",
             "switchyard schema > switchyard.spec.v1.schema.json\n  switchyard schema --document manifest\n"
             "  switchyard schema --plugin muon\n  switchyard schema --merged --plugins mine.json",
             [this](const Registry& registry) {
               return schema({plugin_, document_, folder_, merged_}, format(), registry);
             });
    auto* plugin_option = schema_verb->add_option("--plugin", plugin_, "The options of this plugin");
    auto* document_option = schema_verb->add_option("--document", document_, document_names())->excludes(plugin_option);
    auto* merged_option = schema_verb->add_flag("--merged", merged_, "With the plugins of --plugins, for editors")
                              ->excludes(plugin_option);
    schema_verb->add_option("--write", folder_, "Write every generated file into this folder")
        ->excludes(plugin_option)
        ->excludes(document_option)
        ->excludes(merged_option);
    add_plugins(*schema_verb);

    auto* manifest_verb = verb("manifest", "Write the manifest of a model: names, shapes and dtypes, no weights",
                               "switchyard manifest model.safetensors > model.json\n"
                               "  switchyard manifest model.safetensors.index.json\n"
                               "  switchyard manifest model-0000*-of-00004.safetensors\n"
                               "  switchyard manifest scripted.pt",
                               [this](const Registry&) { return manifest(model_, format()); });
    manifest_verb
        ->add_option("FILE", model_,
                     "A safetensors file, an index of shards, a TorchScript or torch.save file, or a manifest")
        ->required();

    auto* init_verb =
        verb("init", "Write a starter spec for a model, its reasons in `note`",
             "switchyard init --model model.safetensors -o spec.json\n  switchyard init --model model.pt --vars "
             "n_head=12,n_kv=4",
             [this](const Registry& registry) { return init(model_, output_, vars_, force_, format(), registry); });
    add_model(*init_verb);
    add_plugins(*init_verb);
    init_verb->add_option("-o,--output", output_, "Write to this file instead of stdout");
    init_verb->add_option("--vars", vars_, "Head counts of fused query/key/value tensors: n_head=12,n_kv=4")
        ->delimiter(',');
    init_verb->add_flag("--force", force_, "Replace the file if it exists");

    auto* lint_verb =
        verb("lint", "Find what is legal but costs weeks: wrong optimizers, missing splits, slips",
             "switchyard lint spec.json --model model.safetensors\n"
             "  switchyard lint spec.json --model model.safetensors --max-warnings 0",
             [this](const Registry& registry) { return lint_spec(spec_, model_, max_warnings_, format(), registry); });
    lint_verb->add_option("SPEC", spec_, "Spec file")->required();
    auto* linted = add_model(*lint_verb, false);
    linted->description(linted->get_description() + "; without a model only what names show is looked at");
    add_plugins(*lint_verb);
    lint_verb
        ->add_option("--max-warnings", max_warnings_, "Exit with 1 if there are more (default: any number is fine)")
        ->check(CLI::NonNegativeNumber);
  }

  Report explain_what(const Registry& registry) {
    if (!code_.empty()) return explain_code(code_, format());
    if (rule_.empty() && parameter_.empty())
      throw UsageError("say what to explain: --param NAME, --rule ID or --code CODE");
    if (spec_.empty()) throw UsageError("explain needs a SPEC, a spec file");
    if (model_.empty()) throw UsageError("explain needs --model, the model of the spec");
    return rule_.empty() ? explain(spec_, model_, parameter_, format(), registry)
                         : explain_rule(spec_, model_, rule_, format(), registry);
  }

  Report run(std::vector<std::string> arguments) {
    if (!arguments.empty() && arguments[0].substr(0, 1) != "-") check_verb(arguments[0]);
    if (arguments.size() > 1 && arguments[0] == "plugins" && arguments[1].substr(0, 1) != "-")
      check_name(arguments[1], {"list", "show"});
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      return people({fine, help(), ""});
    } catch (const CLI::ExtrasError& error) {
      throw UsageError(std::string(error.what()) + suggestion());
    } catch (const CLI::ParseError& error) {
      throw UsageError(error.what());
    }
    if (version_) return version(format());
    for (const auto& [name, action] : actions_) {
      if (!app_.got_subcommand(name)) continue;
      const bool text =
          format_ == "text" && name != "schema" && name != "manifest" && (name != "init" || !output_.empty());
      return text ? people(act(action)) : act(action);
    }
    return {usage, "", help()};
  }

  ColourMode colour() const {
    return color_ == "always" ? ColourMode::always : color_ == "never" ? ColourMode::never : ColourMode::automatic;
  }

 private:
  using Action = std::function<Report(const Registry&)>;

  Report act(const Action& action) const {
    auto registry = builtin_registry();
    if (auto report = load_plugin_files(plugin_files_, format(), registry)) return std::move(*report);
    return action(registry);
  }

  CLI::App* verb(const std::string& name, const std::string& text, const std::string& example, Action action,
                 const std::vector<std::string>& formats = {"text", "json"}) {
    auto* sub = app_.add_subcommand(name, text);
    sub->footer("Examples:\n  " + example);
    add_format(*sub, formats);
    actions_.emplace_back(name, std::move(action));
    return sub;
  }
  void add_format(CLI::App& app, const std::vector<std::string>& formats = {"text", "json"}) {
    const auto* html = formats.size() > 2 ? ", or html: a page to look at" : "";
    app.add_option("--format", format_, std::string("text (default) or json: one document on stdout") + html)
        ->check(one_of(formats));
    app.add_option("--color", color_, "auto (default): on a terminal, unless NO_COLOR is set; always; never")
        ->check(one_of({"auto", "always", "never"}));
  }
  /// A check that names the legal values and the nearest.
  static CLI::Validator one_of(const std::vector<std::string>& legal) {
    std::string list;
    for (const auto& value : legal) list += (list.empty() ? "" : ", ") + value;
    const auto check = [legal, list](std::string& given) -> std::string {
      if (std::find(legal.begin(), legal.end(), given) != legal.end()) return "";
      const auto near = nearest(given, legal);
      return fmt::format("`{}` is not one of {}{}", printable(given), list,
                         near.empty() ? "" : "; did you mean `" + near + "`?");
    };
    return CLI::Validator(check, "", "");
  }
  static Report people(Report report) {
    report.for_people = true;
    return report;
  }
  Machine machine() const {
    if (machine_ == "auto") return this_machine();
    return machine_ == "plain" ? Machine{} : machine_with("AVX512_BF16");
  }
  void add_inputs(CLI::App& app) {
    app.add_option("SPEC", spec_, "Spec file")->required();
    add_model(app);
    add_plugins(app);
  }
  void add_plugins(CLI::App& app) {
    app.add_option(
           "--plugins", plugin_files_,
           "A file that describes more plugins (JSON, as `plugins list --format json` prints it); may be given "
           "several times. Specs are checked and planned with them, but not run: this build has no code of them")
        ->allow_extra_args(false);
  }
  static std::string document_names() {
    std::string names;
    for (const auto& document : schema_documents()) names += (names.empty() ? "" : ", ") + document.name;
    return "Of what: " + names;
  }
  CLI::Option* add_model(CLI::App& app, bool required = true) {
    // One value a flag: with more, `--model M SPEC` would take the spec as a second model.
    return app
        .add_option("--model", model_,
                    "A manifest, a safetensors file, an index of shards, or a file that torch saved; once for each "
                    "file of a model in several")
        ->allow_extra_args(false)
        ->required(required);
  }
  Format format() const { return format_ == "json" ? Format::json : Format::text; }

  const CLI::App& deepest() const {
    const CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return *app;
  }
  std::string help() const { return deepest().help(); }

  void check_verb(const std::string& given) const {
    std::vector<std::string> names;
    for (const auto& [name, action] : actions_) names.push_back(name);
    check_name(given, names);
  }
  static void check_name(const std::string& given, const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
    if (std::find(names.begin(), names.end(), given) != names.end()) return;
    const auto near = nearest(given, names);
    throw UsageError(fmt::format("there is no verb `{}`; {}", printable(given),
                                 near.empty() ? "the verbs are " + list : "did you mean `" + near + "`?"));
  }

  /// For the first argument that nobody expected.
  std::string suggestion() const {
    const auto rest = app_.remaining(true);
    if (rest.empty()) return "";
    std::vector<std::string> names;
    for (const auto* option : deepest().get_options()) names.push_back(option->get_name());
    const auto flag = rest[0].substr(0, rest[0].find('='));
    const auto near = nearest(flag, names);
    return near.empty() || near == flag ? "" : "; did you mean `" + near + "`?";
  }

  CLI::App app_;
  CLI::App* show_ = nullptr;
  std::vector<std::pair<std::string, Action>> actions_;
  bool version_ = false;
  std::string format_ = "text";
  std::string color_ = "auto";
  std::string code_;
  std::vector<std::string> specs_;
  std::string spec_;
  std::string other_;
  ModelPaths model_;
  std::string lock_;
  std::string against_;
  std::string machine_ = "auto";
  std::string output_;
  std::string parameter_;
  std::string rule_;
  std::string plugin_;
  std::string document_;
  std::string folder_;
  bool merged_ = false;
  std::vector<std::string> plugin_files_;
  std::vector<std::string> vars_;
  bool force_ = false;
  std::optional<std::int64_t> max_warnings_;
};

/// The format that was asked for, even on a command line that cannot be parsed.
Format format_of(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool next = arguments[i] == "--format" && i + 1 < arguments.size() && arguments[i + 1] == "json";
    if (next || arguments[i] == "--format=json") return Format::json;
  }
  return Format::text;
}

/// The verb's report, or that of its failure.
Report guarded(CommandLine& command_line, const std::vector<std::string>& arguments, Format format) {
  try {
    return command_line.run(arguments);
  } catch (const UsageError& error) {
    return failure(usage, "SWY-0001", printable(error.what()), format);
  } catch (const std::exception& error) {
    return failure(internal, "SWY-0070", fmt::format("internal error: {}", error.what()), format);
  } catch (...) {
    return failure(internal, "SWY-0070", "internal error: an unknown exception", format);
  }
}

bool write(std::FILE* stream, const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
}

}  // namespace

Report run(const std::vector<std::string>& arguments) {
  const auto format = format_of(arguments);
  CommandLine command_line;
  auto report = guarded(command_line, arguments, format);
  report.colour = command_line.colour();
  return report;
}

int print(const Report& report) {
  // With the signal ignored, writing to a reader that went away fails with EPIPE instead of ending the program.
  std::signal(SIGPIPE, SIG_IGN);
  write(stderr, coloured(report.colour, STDERR_FILENO) ? colour_diagnostics(report.err) : report.err);
  const bool paint = report.for_people && coloured(report.colour, STDOUT_FILENO);
  if (write(stdout, paint ? colour_output(report.out) : report.out) || errno == EPIPE) return report.exit;
  write(stderr, fmt::format("switchyard: cannot write the output: {}\n", std::strerror(errno)));
  return internal;
}

}  // namespace switchyard::cli
