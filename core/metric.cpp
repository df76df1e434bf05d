#include "core/metric.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/json.h"

namespace switchyard {

namespace {

class JsonlSink final : public MetricSink {
 public:
  explicit JsonlSink(std::string path)
      : path_(std::move(path)), file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (file_ < 0) fail("cannot open");
    struct stat info = {};
    if (::fstat(file_, &info) != 0 || info.st_size == 0) pending_ = "{\"switchyard_metrics\":1}\n";
  }
  ~JsonlSink() override {
    put();  // nobody is left to hear of a failure
    ::close(file_);
  }
  JsonlSink(const JsonlSink&) = delete;
  JsonlSink& operator=(const JsonlSink&) = delete;

  void write(const MetricRecord& record) override {
    auto line = Json::object();
    line.set("step", Json::integer(record.step));
    line.set("group", record.group);
    for (const auto& [name, value] : record.values) line.set(name, Json::real(value));
    for (const auto& [name, text] : record.texts) line.set(name, text);
    const auto text = dump_json(line) + "\n";
    constexpr std::size_t most = 1'000'000;
    if (pending_.size() + text.size() > most && !put() && pending_.size() + text.size() > most) fail("cannot write");
    pending_ += text;
  }

  void flush() override {
    if (!put()) fail("cannot write");
  }

 private:
  /// Writes what is pending, as far as it goes; false, with errno, when something is left.
  bool put() {
    std::size_t at = 0;
    bool good = true;
    while (good && at < pending_.size()) {
      const auto written = ::write(file_, pending_.data() + at, pending_.size() - at);
      good = written >= 0 || errno == EINTR;
      if (written > 0) at += static_cast<std::size_t>(written);
    }
    const int reason = errno;
    pending_.erase(0, at);
    errno = reason;
    return good;
  }
  [[noreturn]] void fail(const char* what) const {
    throw OptimizerError(std::string(what) + " the metrics file " + path_ + ": " + std::strerror(errno));
  }

  std::string path_;
  int file_;
  std::string pending_;
};

}  // namespace

std::unique_ptr<MetricSink> open_jsonl_sink(const std::string& path) { return std::make_unique<JsonlSink>(path); }

}  // namespace switchyard
