#include "rules/lock.h"

#include <utility>

#include "core/sha256.h"

namespace switchyard {

namespace {

Json gradients_json(const GradientPolicy& gradients) {
  auto json = Json::object();
  json.set("clip_norm", gradients.clip_norm ? Json::real(*gradients.clip_norm) : Json::null());
  json.set("accumulation", Json::integer(gradients.accumulation));
  json.set("on_nonfinite", gradients.on_nonfinite == GradientPolicy::OnNonfinite::skip ? "skip" : "error");
  return json;
}

/// The document with another checksum; an empty one is left out.
Json with_checksum(const Json& document, const std::string& checksum) {
  auto out = Json::object();
  for (const auto& member : document.members()) {
    if (member.key != "lock") {
      out.set(member.key, member.value);
      continue;
    }
    auto lock = Json::object();
    if (!checksum.empty()) lock.set("sha256", checksum);
    for (const auto& inner : member.value.members()) {
      if (inner.key != "sha256") lock.set(inner.key, inner.value);
    }
    out.set("lock", std::move(lock));
  }
  return out;
}

}  // namespace

std::string lock_checksum(const Json& document) { return sha256(dump_json(with_checksum(document, ""))); }

Json lock_json(const Plan& plan, const Registry& registry) {
  const auto whole = to_json(plan, {});
  auto state = Json::object();
  for (const auto& [key, line] : state_lines(plan, registry)) state.set(key, line);
  auto lock = Json::object();
  lock.set("gradients", gradients_json(plan.gradients));
  lock.set("state", std::move(state));
  auto out = Json::object();
  for (const auto& member : whole.members()) {
    if (member.key == "parameters") out.set("lock", lock);
    out.set(member.key, member.key == "diagnostics" ? Json::array() : member.value);
  }
  return with_checksum(out, lock_checksum(out));
}

std::string lock_text(const Plan& plan, const Registry& registry) {
  return dump_json(lock_json(plan, registry), 1) + "\n";
}

}  // namespace switchyard
