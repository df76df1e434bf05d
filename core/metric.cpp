#include "core/metric.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/json.h"

namespace switchyard {

namespace {

class JsonlSink final : public MetricSink {
 public:
  explicit JsonlSink(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "ab"), &std::fclose) {
    if (!file_) fail("cannot open");
    if (std::ftell(file_.get()) == 0) put("{\"switchyard_metrics\":1}\n");
  }

  void write(const MetricRecord& record) override {
    auto line = Json::object();
    line.set("step", Json::integer(record.step));
    line.set("group", record.group);
    for (const auto& [name, value] : record.values) line.set(name, Json::real(value));
    for (const auto& [name, text] : record.texts) line.set(name, text);
    put(dump_json(line) + "\n");
  }

  void flush() override {
    if (std::fflush(file_.get()) != 0) fail("cannot write");
  }

 private:
  void put(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) fail("cannot write");
  }
  [[noreturn]] void fail(const char* what) const {
    throw OptimizerError(std::string(what) + " the metrics file " + path_ + ": " + std::strerror(errno));
  }

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace

std::unique_ptr<MetricSink> open_jsonl_sink(const std::string& path) { return std::make_unique<JsonlSink>(path); }

}  // namespace switchyard
