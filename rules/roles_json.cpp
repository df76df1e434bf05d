#include "rules/roles_json.h"

#include <algorithm>

namespace switchyard {

namespace {

Json axes_json(const std::vector<int>& axes) {
  auto out = Json::array();
  for (const auto axis : axes) out.push(Json::integer(axis));
  return out;
}

}  // namespace

Json split_json(const RoleSplit& split, bool sizes) {
  auto out = Json::object();
  out.set("axis", Json::integer(split.axis));
  if (split.parts.empty() || !sizes) {
    const auto count = split.parts.empty() ? split.equal : static_cast<std::int64_t>(split.parts.size());
    out.set("parts", Json::integer(count));
  } else {
    auto parts = Json::array();
    for (const auto& [name, size] : split.parts) {
      auto part = Json::object();
      part.set("name", name);
      part.set("size", Json::integer(size));
      parts.push(std::move(part));
    }
    out.set("parts", std::move(parts));
  }
  if (split.interleave > 1) out.set("interleave", Json::integer(split.interleave));
  return out;
}

bool equal_parts(const RoleSplit& split) {
  return std::all_of(split.parts.begin(), split.parts.end(),
                     [&](const auto& part) { return part.second == split.parts[0].second; });
}

Json view_json(const ParameterRole& role, const std::optional<Json>& split) {
  auto out = Json::object();
  if (!role.batch.empty()) out.set("batch", axes_json(role.batch));
  const bool usual = role.out == std::vector<int>{0} && role.in == std::vector<int>{1};
  if (!usual || !role.batch.empty()) {
    out.set("out", axes_json(role.out));
    out.set("in", axes_json(role.in));
  }
  if (split) out.set("split", *split);
  return out;
}

Json view_json(const ParameterRole& role) {
  if (!role.split) return view_json(role, std::nullopt);
  return view_json(role, split_json(*role.split, !equal_parts(*role.split)));
}

}  // namespace switchyard
