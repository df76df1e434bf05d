#include <fmt/format.h>

#include <algorithm>

#include "rules/spec_reader.h"

namespace switchyard {

void read_gradients(SpecDraft& draft, const Node& gradients) {
  auto& read = draft.read;
  if (!read.object(gradients, spots::gradients())) return;
  auto& policy = draft.spec.gradients;
  if (const auto clip = gradients.child("clip"); clip && read.object(*clip, spots::clip())) {
    if (const auto norm = read.require(*clip, "norm", "`clip`"))
      policy.clip_norm = read.number(*norm, "`norm`", above(0));
  }
  if (const auto accumulation = gradients.child("accumulation")) {
    policy.accumulation = read.integer(*accumulation, "`accumulation`", 1).value_or(1);
  }
  if (const auto node = gradients.child("on_nonfinite")) {
    const auto choice = read.choice(*node, "`on_nonfinite`", {"skip", "error"});
    policy.on_nonfinite = choice == "error" ? GradientPolicy::OnNonfinite::error : GradientPolicy::OnNonfinite::skip;
  }
}

void read_sinks(SpecDraft& draft, const Node& sinks) {
  auto& read = draft.read;
  if (!read.array(sinks, "`sinks`")) return;
  for (std::size_t i = 0; i < sinks.json().size(); ++i) {
    const Node node(sinks, i);
    if (!read.object(node, spots::sink())) continue;
    SinkConfig sink;
    if (const auto kind = read.require(node, "kind", "a sink")) {
      const auto& later = later_sinks();
      const auto known = std::find_if(later.begin(), later.end(), [&](const LaterFeature& feature) {
        return kind->json().is(Json::Kind::string) && feature.name == kind->json().as_string();
      });
      if (known != later.end()) {
        read.unsupported(*known, kind->place());
      } else {
        sink.kind = read.choice(*kind, "`kind`", {"jsonl"}).value_or("");
      }
    }
    if (const auto path = read.require(node, "path", "a sink")) {
      sink.path = read.text(*path, "`path`").value_or("-");
      if (sink.path.empty()) read.error("SWY-1019", "`path` is empty", path->place()).help = "name the file to write";
    }
    if (const auto every = node.child("every")) sink.every = read.integer(*every, "`every`", 1).value_or(1);
    draft.spec.sinks.push_back(std::move(sink));
  }
}

}  // namespace switchyard
