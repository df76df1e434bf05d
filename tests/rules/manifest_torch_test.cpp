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

TEST_CASE("script classes: the list of a class, with escapes, and none for what is no module") {
  CHECK(script_parameters(code, "M") == std::set<std::string>{"scale"});
  CHECK(script_parameters(code, "Helper") == std::set<std::string>{});
  CHECK_FALSE(script_parameters(code, "X"));
  CHECK(script_parameters("class A(Module):\n  __parameters__ = [\"a\\\"b\", \"\\303\\251\"]\n", "A") ==
        std::set<std::string>{"a\"b", "\xc3\xa9"});
  CHECK_FALSE(script_parameters("class A(Module):\n  __parameters__ = [\"a\"", "A"));
  CHECK_FALSE(script_parameters("class A(Module):\n  __parameters__ = [a]", "A"));
}
