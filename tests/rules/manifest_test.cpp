#include <doctest/doctest.h>

#include "rules/manifest.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

struct Mistake {
  const char* entry;
  const char* code;
  const char* at;
};

std::string document(const std::string& entries) {
  return "{\"switchyard_manifest\": 1, \"model\": \"m\", \"parameters\": [" + entries + "]}";
}

}  // namespace

TEST_CASE("manifest: what is written reads back as the same table") {
  auto entries = test::gpt2(2, 8);
  entries[1].requires_grad = false;
  entries[2].dtype_name = "bfloat16";
  entries[2].dtype = Dtype::bfloat16;
  entries[3].storage = StorageInfo{"cpu:1", 4, {1}};
  entries[4].dtype_name = "int8";
  entries[4].dtype = Dtype::other;
  const auto table = test::table(entries);
  const auto text = dump_json(manifest_json(table, "gpt2", "made up"), 1);
  Diagnostics diagnostics;
  const auto read = read_manifest(text, "m.json", diagnostics);
  REQUIRE_MESSAGE(read, render(diagnostics, {{"m.json", text}}));
  CHECK(read->model == "gpt2");
  CHECK(read->source == "made up");
  REQUIRE(read->table.size() == table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    CHECK(read->table[i].names == table[i].names);
    CHECK(read->table[i].shape == table[i].shape);
    CHECK(read->table[i].dtype == table[i].dtype);
    CHECK(read->table[i].dtype_name == table[i].dtype_name);
    CHECK(read->table[i].requires_grad == table[i].requires_grad);
    CHECK(read->table[i].module == table[i].module);
    CHECK(read->table[i].storage.has_value() == table[i].storage.has_value());
  }
  CHECK(dump_json(manifest_json(read->table, "gpt2", "made up"), 1) == text);
}

TEST_CASE("manifest: entries of one storage and view are tied") {
  const auto text = document(
      R"({"names": ["a"], "shape": [2, 3], "dtype": "float32", "storage": {"id": "s", "offset": 0, "strides": [3, 1]}},
      {"names": ["b"], "shape": [2, 3], "dtype": "float32", "storage": {"id": "s", "offset": 0, "strides": [3, 1]}})");
  Diagnostics diagnostics;
  const auto table = parse_manifest(text, "m.json", diagnostics);
  REQUIRE_MESSAGE(table, render(diagnostics, {{"m.json", text}}));
  REQUIRE(table->size() == 1);
  CHECK((*table)[0].names == std::vector<std::string>{"a", "b"});
}

TEST_CASE("manifest: one mistake is one error at its place") {
  const Mistake mistakes[] = {
      {R"({"names": [], "shape": [1], "dtype": "float32"})", "SWY-1019", "[]"},
      {R"({"names": [""], "shape": [1], "dtype": "float32"})", "SWY-1019", "\"\""},
      {R"({"names": ["a", "a"], "shape": [1], "dtype": "float32"})", "SWY-1015", "\"a\"]"},
      {R"({"names": "a", "shape": [1], "dtype": "float32"})", "SWY-1010", "\"a\""},
      {R"({"names": [1], "shape": [1], "dtype": "float32"})", "SWY-1010", "1]"},
      {R"({"names": ["a"], "shape": [-1], "dtype": "float32"})", "SWY-1013", "-1"},
      {R"({"names": ["a"], "shape": [1.0], "dtype": "float32"})", "SWY-1010", "1.0"},
      {R"({"names": ["a"], "shape": ["1"], "dtype": "float32"})", "SWY-1010", "\"1\""},
      {R"({"names": ["a"], "shape": 3, "dtype": "float32"})", "SWY-1010", "3"},
      {R"({"names": ["a"], "shape": [99999999999999999999], "dtype": "float32"})", "SWY-1013", "99999999999999999999"},
      {R"({"names": ["a"], "dtype": "float32"})", "SWY-1012", "{\"names\""},
      {R"({"names": ["a"], "shape": [1]})", "SWY-1012", "{\"names\""},
      {R"({"names": ["a"], "shape": [1], "dtype": 32})", "SWY-1010", "32"},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32", "requires_grad": 1})", "SWY-1010", "1}"},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32", "requires_gard": true})", "SWY-1011", "\"requires_gard\""},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32", "dtype": "float32"})", "SWY-1003",
       "\"dtype\": \"float32\"}"},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32", "storage": {"id": "s", "offset": -1, "strides": [1]}})",
       "SWY-1013", "-1"},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32", "storage": {"id": "s", "offset": 0, "strides": []}})",
       "SWY-1018", "[]"},
      {R"({"names": ["a"], "shape": [4611686018427387904], "dtype": "float32", "storage": {"id": "s", "offset": 0, "strides": [4]}})",
       "SWY-1013", "{\"id\""},
      {R"({"names": ["a"], "shape": [4611686018427387904, 4], "dtype": "float32"})", "SWY-2104", "\"a\""},
      {R"({"names": ["a"], "shape": [1], "dtype": "float32"}, {"names": ["a"], "shape": [2], "dtype": "float32"})",
       "SWY-2102", "\"a\"], \"shape\": [2]"},
      {R"({"names": ["a"], "shape": [4], "dtype": "float32", "storage": {"id": "s", "offset": 0, "strides": [1]}}, {"names": ["b"], "shape": [4], "dtype": "float32", "storage": {"id": "s", "offset": 2, "strides": [1]}})",
       "SWY-2103", "\"b\""},
      {"5", "SWY-1010", "5"}};
  for (const auto& mistake : mistakes) {
    const auto text = document(mistake.entry);
    Diagnostics diagnostics;
    CHECK_FALSE(parse_manifest(text, "m.json", diagnostics));
    INFO(render(diagnostics, {{"m.json", text}}));
    REQUIRE(diagnostics.items().size() == 1);
    const auto& item = diagnostics.items().front();
    CHECK(item.code == mistake.code);
    CHECK(text.substr(item.place.span.offset, std::string(mistake.at).size()) == mistake.at);
  }
}

TEST_CASE("manifest: the frame is checked too") {
  for (const char* text : {"{}", "[]", R"({"switchyard_manifest": 2, "model": "m", "parameters": []})",
                           R"({"switchyard_manifest": 1, "parameters": []})",
                           R"({"switchyard_manifest": 1, "model": "m", "parameters": {}})",
                           R"({"switchyard_manifest": 1, "model": "m", "parameters": [], "x": 1})"}) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse_manifest(text, "m.json", diagnostics));
    CHECK(diagnostics.has_errors());
  }
  Diagnostics diagnostics;
  CHECK(
      parse_manifest(R"({"switchyard_manifest": 1, "model": "m", "parameters": []})", "m.json", diagnostics)->size() ==
      0);
}
