#include "rules/manifest_torch.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "rules/script_classes.h"
#include "tests/support/torch_archive.h"

using namespace switchyard;
using namespace switchyard::test;

namespace {

const std::string code =
    "class M(Module):\n  __parameters__ = [\"scale\", ]\n  __buffers__ = [\"mean\", ]\n  def forward(self):\n    pass\n"
    "class Helper:\n  x : int\n";
const std::string linear_code = "class Linear(Module):\n  __parameters__ = [\"weight\", \"bias\", ]\n";

std::string linear(const std::string& module, const std::string& weight) {
  return object_of("__torch__." + module, "Linear", dict_of({{"weight", weight}, {"bias", "N"}, {"training", "\x88"}}));
}

/// Two linear maps that share one weight, an own parameter, a buffer.
std::string script() {
  const auto weight = tensor_of("HalfStorage", "1", 6, {2, 3}, {3, 1});
  return object_of("__torch__", "M",
                   dict_of({{"mean", tensor_of("FloatStorage", "0", 2, {2}, {1}, false)},
                            {"first", linear("nn", weight)},
                            {"second", linear("nn.___torch_mangle_0", weight)},
                            {"scale", tensor_of("FloatStorage", "2", 2, {}, {}, false, 1)}}));
}

std::vector<ZipMember> archive_of(const std::string& value) {
  return {{"m/data.pkl", pickle_of(value)},        {"m/code/__torch__.py", code},
          {"m/code/__torch__/nn.py", linear_code}, {"m/code/__torch__/nn/___torch_mangle_0.py", linear_code},
          {"m/data/0", std::string(8, '\0')},      {"m/data/1", std::string(12, '\0')},
          {"m/data/2", std::string(8, '\0')}};
}

/// "kind: name dtype shape module grad storage; ...", or the codes.
std::string read(const std::string& text, std::string* rendered = nullptr) {
  Diagnostics found;
  const auto file = read_torch_file(bytes_of_text(text), "m.pt", found);
  CHECK(file.has_value() != found.has_errors());
  if (rendered != nullptr) *rendered = render(found, {});
  std::string out;
  for (const auto& item : found.items()) out += (out.empty() ? "" : " ") + item.code;
  if (!file) return out;
  out += file->kind + ":";
  for (const auto& info : file->parameters) {
    out += fmt::format(" {} {} {} {} {} {};", info.name(), info.dtype_name, to_string(info.shape), info.module,
                       info.requires_grad ? "trains" : "frozen", info.storage->id);
  }
  return out;
}
std::string read_value(const std::string& value, std::string* rendered = nullptr) {
  return read(zip_of(archive_of(value)), rendered);
}

}  // namespace

TEST_CASE("torch file: TorchScript gives parameters of every module, no buffers, and storages that show ties") {
  for (const bool zip64 : {false, true}) {
    CHECK(read(zip_of(archive_of(script()), zip64)) ==
          "TorchScript: scale float32 [] M frozen 2; first.weight float16 [2, 3] Linear trains 1; "
          "second.weight float16 [2, 3] Linear trains 1;");
  }
}

TEST_CASE("torch file: a state_dict gives all its tensors, also below a key of a checkpoint") {
  const auto w = tensor_of("DoubleStorage", "1", 1, {1, 1}, {1, 1}, false);
  const auto dict = dict_of({{"w", w}, {"n", number_of(1)}});
  CHECK(read_value(dict) == "state_dict: w float64 [1, 1]  trains 1;");
  CHECK(read_value(dict_of({{"epoch", number_of(3)}, {"model", dict}})) == "state_dict: w float64 [1, 1]  trains 1;");
  std::string says;
  CHECK(read_value(dict_of({{"model", dict}, {"ema", dict}}), &says) == "SWY-3023");
  CHECK(says.find("`model`, `ema`") != std::string::npos);
  CHECK(read_value(dict_of({{"epoch", number_of(3)}})) == "SWY-3023");
  CHECK(read_value("N") == "SWY-3023");
}

TEST_CASE("torch file: a pickled module gives the types of its modules and the parameters' own requires_grad") {
  const auto parameter =
      "ctorch._utils\n_rebuild_parameter\n(" + tensor_of("FloatStorage", "0", 2, {2}, {1}, false) + "\x88}tR";
  const auto inner =
      object_of("torch.nn", "Linear",
                dict_of({{"_parameters", dict_of({{"bias", parameter}, {"weight", "N"}})}, {"_modules", "}"}}));
  CHECK(read_value(object_of("mine", "Net", dict_of({{"_parameters", "}"}, {"_modules", dict_of({{"a", inner}})}}))) ==
        "pickled module: a.bias float32 [2] Linear trains 0;");
}

TEST_CASE("torch file: a tensor that contradicts its storage is named") {
  struct Case {
    const char* about;
    std::string tensor;
  };
  for (const auto& one : std::vector<Case>{
           {"more elements than the record has bytes", tensor_of("FloatStorage", "0", 3, {3}, {1})},
           {"a shape beyond the storage", tensor_of("FloatStorage", "0", 2, {3}, {1})},
           {"strides beyond the storage", tensor_of("FloatStorage", "0", 2, {2}, {2})},
           {"an offset beyond the storage", tensor_of("FloatStorage", "0", 2, {2}, {1}, true, 1)},
           {"a negative size", tensor_of("FloatStorage", "0", 2, {-1}, {1})},
           {"a negative stride", tensor_of("FloatStorage", "0", 2, {2}, {-1})},
           {"a negative offset", tensor_of("FloatStorage", "0", 2, {2}, {1}, true, -1)},
           {"sizes that overflow", tensor_of("FloatStorage", "0", 2, {INT64_MAX, INT64_MAX}, {INT64_MAX, 1})},
           {"elements that overflow", tensor_of("DoubleStorage", "0", INT64_MAX, {1}, {1})},
           {"more strides than sizes", tensor_of("FloatStorage", "0", 2, {2}, {1, 1})},
           {"a record that is not there", tensor_of("FloatStorage", "9", 2, {2}, {1})},
           {"an unknown type of storage", tensor_of("FancyStorage", "0", 2, {2}, {1})},
           {"a sparse tensor", "ctorch._utils\n_rebuild_sparse_tensor\n)R"},
           {"a call without arguments", "ctorch._utils\n_rebuild_tensor_v2\n)R"},
           {"a parameter without a tensor", "ctorch._utils\n_rebuild_parameter\n(N\x88}tR"},
           {"a storage that is none", "ctorch._utils\n_rebuild_tensor_v2\n(N" + number_of(0) + "))\x88}tR"}}) {
    CAPTURE(one.about);
    std::string says;
    CHECK(read_value(dict_of({{"bad.weight", one.tensor}}), &says) == "SWY-3024");
    CHECK(says.find("bad.weight") != std::string::npos);
  }
}

TEST_CASE("torch file: a class that the archive does not describe, and a parameter that is no tensor") {
  auto members = archive_of(script());
  members.erase(members.begin() + 2);
  CHECK(read(zip_of(members)) == "SWY-3021");
  members = archive_of(script());
  members[1].content = "class N(Module):\n";
  CHECK(read(zip_of(members)) == "SWY-3021");
  CHECK(read_value(object_of("__torch__", "M", dict_of({{"scale", number_of(1)}}))) == "SWY-3024");
  CHECK(read(zip_of({{"m/data.pkl", "junk"}})) == "SWY-3022");
  CHECK(read(zip_of({{"other", "junk"}})) == "SWY-3021");
}

TEST_CASE("torch file: modules that contain themselves, or each other on exponentially many ways, end") {
  // A module whose attribute is the module.
  const auto circle = std::string("c__torch__\nM\n)\x81q\x02}(") + text_of("self") + "h\x02ub";
  CHECK(read_value(circle) == "SWY-3023");
  // Forty levels of two attributes that are one module: 2^40 ways.
  std::string tree = "c__torch__\nM\n)\x81}bq\x01";
  for (int level = 0; level < 40; ++level)
    tree += std::string("0c__torch__\nM\n)\x81}(") + text_of("a") + "h\x01" + text_of("b") + "h\x01ubq\x01";
  CHECK(read_value(tree) == "SWY-3023");
}

TEST_CASE("torch file: changed in any byte or cut anywhere, it is read or refused") {
  const auto good = zip_of(archive_of(script()));
  for (std::size_t at = 0; at < good.size(); ++at) {
    read(good.substr(0, at));
    for (const int change : {0x01, 0x02, 0x40, 0x80, 0xff}) {
      auto bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      read(bad);
    }
  }
}

TEST_CASE("torch file: what torch wrote before 1.6 says so") {
  std::string says;
  CHECK(read("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", &says) == "SWY-3020");
  CHECK(says.find("1.6") != std::string::npos);
}

TEST_CASE("torch file: an object without a class is no module") {
  CHECK(read_value("N)R}" + text_of("_parameters") + "}sb") == "SWY-3023");
}

TEST_CASE("torch file: a checkpoint with tensors beside its model") {
  const auto w = tensor_of("HalfStorage", "1", 6, {2, 3}, {3, 1}, false);
  const auto model = dict_of({{"w", w}});
  const auto score = tensor_of("FloatStorage", "0", 2, {}, {}, false);
  const auto one = tensor_of("FloatStorage", "0", 2, {1}, {1}, false);
  const auto random = tensor_of("ByteStorage", "2", 8, {8}, {1}, false);
  const std::string only = "state_dict: w float16 [2, 3]  trains 1;";
  CHECK(read_value(dict_of({{"state_dict", model}, {"best_acc1", score}})) == only);
  CHECK(read_value(dict_of({{"best_acc1", one}, {"model", model}, {"rng_state", random}})) == only);
  // Another tensor, another key, or two dicts: nobody can tell.
  std::string says;
  CHECK(read_value(dict_of({{"model", model}, {"mean", w}}), &says) == "SWY-3023");
  CHECK(says.find("`model`") != std::string::npos);
  CHECK(says.find("help: ") != std::string::npos);
  CHECK(read_value(dict_of({{"ema", model}, {"best_acc1", score}})) == "SWY-3023");
  CHECK(read_value(dict_of({{"model", model}, {"ema", model}, {"best_acc1", score}}), &says) == "SWY-3023");
  CHECK(says.find("`model`, `ema`") != std::string::npos);
  // What a module keeps beside its tensors is none of its own.
  CHECK(read_value(dict_of({{"w", w}, {"a._extra_state", dict_of({{"scale", score}})}})) == only);
}

TEST_CASE("torch file: bytes beside a state_dict do no harm, and a tensor under such a key is reported") {
  const auto w = tensor_of("HalfStorage", "1", 6, {2, 3}, {3, 1}, false);
  const auto model = dict_of({{"w", w}});
  const auto bytes = "c_codecs\nencode\n(" + text_of(std::string("\0a", 2)) + text_of("latin1") + "tR";
  CHECK(read_value(dict_of({{"model", model}, {"numpy", bytes}})) == "state_dict: w float16 [2, 3]  trains 1;");
  const std::string bad_key("b\0", 2);
  CHECK(read_value(dict_of({{"w", w}, {bad_key, w}})) == "SWY-3024");
  CHECK(read_value(dict_of({{"model", dict_of({{"w", w}, {bad_key, w}})}})) == "SWY-3024");
  CHECK(read_value(dict_of({{"model", dict_of({{bad_key, w}})}})) == "SWY-3024");
  CHECK(read_value("}(" + number_of(0) + w + "u") == "SWY-3024");
  CHECK(read_value(object_of("__torch__", "M", dict_of({{"scale", w}, {bad_key, w}}))) == "SWY-3024");
  CHECK(read_value(object_of("__torch__", "M", dict_of({{"scale", w}, {bad_key, linear("nn", w)}}))) == "SWY-3024");
  // Of an optimizer, which counts its parameters.
  CHECK(read_value(dict_of({{"model", model}, {"state", "}(" + number_of(0) + w + "u"}})) ==
        "state_dict: w float16 [2, 3]  trains 1;");
}

TEST_CASE("torch file: a module whose state is no dict is reported, unless it has no parameters") {
  const auto module = [](const std::string& type, const std::string& name) {
    const auto scale = tensor_of("FloatStorage", "2", 2, {}, {}, false);
    return object_of("__torch__", "M", dict_of({{"scale", scale}, {"a", object_of(type, name, "N\x85")}}));
  };
  const std::string only = "TorchScript: scale float32 [] M frozen 2;";
  std::string says;
  CHECK(read_value(module("__torch__.nn", "Linear"), &says) == "SWY-3024");
  CHECK(says.find("module `a` of class `__torch__.nn.Linear`") != std::string::npos);
  CHECK(read_value(module("__torch__", "Helper")) == only);
  CHECK(read_value(module("__torch__.torch.classes.quantized", "LinearPackedParamsBase")) == only);
  // A module that a call makes, as those of torch.fx.
  const auto net = [](const std::string& inner) {
    return object_of("mine", "Net", dict_of({{"_parameters", "}"}, {"_modules", dict_of({{"a", inner}, {"b", "N"}})}}));
  };
  CHECK(read_value(net("ctorch.fx\nreduce\n)R")) == "SWY-3024");
  CHECK(read_value(net("N)R")) == "SWY-3024");
}

TEST_CASE("torch file: a tensor of a type without a storage of its own lies inside the bytes of one without a type") {
  const auto tensor = [](const std::string& dtype, std::int64_t elements, std::int64_t offset = 0) {
    return dict_of(
        {{"w", "ctorch._utils\n_rebuild_tensor_v3\n((" + text_of("storage") + "ctorch.storage\nUntypedStorage\n" +
                   text_of("0") + text_of("cpu") + number_of(8) + "tQ" + number_of(offset) + tuple_of({elements}) +
                   tuple_of({1}) + "\x89}ctorch\n" + dtype + "\ntR"}});
  };
  CHECK(read_value(tensor("uint16", 4)) == "state_dict: w uint16 [4]  frozen 0;");
  CHECK(read_value(tensor("float8_e4m3fn", 8)) == "state_dict: w float8_e4m3fn [8]  trains 0;");
  CHECK(read_value(tensor("uint16", 5)) == "SWY-3024");
  CHECK(read_value(tensor("uint16", 4, 1)) == "SWY-3024");
  CHECK(read_value(tensor("uint64", 2)) == "SWY-3024");
  CHECK(read_value(tensor("float32", 3)) == "SWY-3024");
  CHECK(read_value(tensor("fancy", 1)) == "SWY-3024");
}

TEST_CASE("torch file: two folders with a pickle are no model") {
  std::string says;
  CHECK(read(zip_of({{"a/data.pkl", pickle_of("N")}, {"b/data.pkl", pickle_of("N")}}), &says) == "SWY-3021");
  CHECK(says.find("`a/data.pkl` and `b/data.pkl`") != std::string::npos);
}

TEST_CASE("torch file: what it says of a tensor shows no control characters of the archive") {
  std::string says;
  CHECK(read_value(dict_of({{"w", tensor_of("FloatStorage", "\x1b[2J", 2, {2}, {1})}}), &says) == "SWY-3024");
  CHECK(says.find('\x1b') == std::string::npos);
  CHECK(says.find("\\x1b[2J") != std::string::npos);
}

TEST_CASE("torch file: one dict of parameters, reached on a million ways, ends") {
  // A module of a thousand parameters in a list of a thousand, which three modules hold.
  const auto tensor = tensor_of("HalfStorage", "1", 6, {2, 3}, {3, 1}, false);
  std::string own = "}(", list = "}(";
  for (int i = 0; i < 1000; ++i) {
    own += text_of(std::to_string(i)) + (i == 0 ? tensor + "q\x01" : "h\x01");
    list += text_of(std::to_string(i)) + "h\x02";
  }
  const auto module = [](const std::string& parameters, const std::string& modules) {
    return object_of("mine", "Net", "}(" + text_of("_parameters") + parameters + text_of("_modules") + modules + "u");
  };
  const auto leaf = module(own + "u", "}") + "q\x02" + "0";
  const auto middle = module("}", list + "u") + "q\x03" + "0";
  const auto top = module("}", dict_of({{"a", "h\x03"}, {"b", "h\x03"}, {"c", "h\x03"}}));
  CHECK(read_value(leaf + middle + top) == "SWY-3023");
}

TEST_CASE("torch file: after many findings the rest is not read") {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 1000; ++i) entries.emplace_back(std::to_string(i), tensor_of("FloatStorage", "9", 2, {2}, {1}));
  Diagnostics found;
  CHECK_FALSE(read_torch_file(bytes_of_text(zip_of(archive_of(dict_of(entries)))), "m.pt", found));
  CHECK(found.count(Severity::error) == 50);
  CHECK(found.items()[48].notes.empty());
  CHECK(found.items()[49].notes.size() == 1);
}

TEST_CASE("script classes: all sources together have a budget") {
  Diagnostics found;
  const auto text = zip_of({{"m/code/__torch__/a.py", linear_code},
                            {"m/code/__torch__/b.py", linear_code},
                            {"m/code/__torch__/c.py", linear_code}});
  const auto archive = ZipArchive::open(bytes_of_text(text), "m.pt", found);
  REQUIRE(archive);
  const std::string root = "m", file = "m.pt";
  ScriptClasses classes(*archive, root, file, static_cast<std::int64_t>(linear_code.size() * 2 - 1));
  CHECK(classes.parameters("__torch__.a.Linear", found) != nullptr);
  CHECK(classes.parameters("__torch__.a.Linear", found) != nullptr);
  CHECK(found.empty());
  CHECK(classes.parameters("__torch__.b.Linear", found) == nullptr);
  CHECK(classes.parameters("__torch__.c.Linear", found) == nullptr);
  CHECK(found.count(Severity::error) == 1);
  CHECK(found.items()[0].code == "SWY-3021");
}

TEST_CASE("script classes: the list of a class, with escapes, and none for what is no module") {
  CHECK(ScriptSource(code).parameters("M") == std::set<std::string>{"scale"});
  CHECK(ScriptSource(code).parameters("Helper") == std::set<std::string>{});
  CHECK_FALSE(ScriptSource(code).parameters("X"));
  CHECK(ScriptSource("class A(Module):\n  __parameters__ = [\"a\\\"b\", \"\\303\\251\"]\n").parameters("A") ==
        std::set<std::string>{"a\"b", "\xc3\xa9"});
  CHECK_FALSE(ScriptSource("class A(Module):\n  __parameters__ = [\"a\"").parameters("A"));
  CHECK_FALSE(ScriptSource("class A(Module):\n  __parameters__ = [a]").parameters("A"));
  // The first of one name counts; a longer name is another one.
  const ScriptSource two(
      "x : int\nclass AB(Module):\n  __parameters__ = [\"c\"]\nclass A(Module):\n  __parameters__ = [\"a\"]\n"
      "class A(Module):\n  __parameters__ = [\"b\"]\nclass \nclass A");
  CHECK(two.parameters("A") == std::set<std::string>{"a"});
  CHECK(two.parameters("AB") == std::set<std::string>{"c"});
  CHECK_FALSE(two.parameters(""));
  CHECK_FALSE(ScriptSource("").parameters("A"));
}
