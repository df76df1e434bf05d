#include "rules/documents.h"

namespace switchyard {

std::string Documents::pointer_at(const Span& span) const {
  const auto found = by_file.find(span.file);
  if (found == by_file.end()) return "";
  const auto reaches = [&](std::size_t begin, const Json& value) {
    const auto place = value.span();
    return begin <= span.offset && span.offset < place.offset + place.length;
  };
  std::string out;
  const auto* json = &found->second;
  for (const Json* inner = json; inner != nullptr;) {
    json = inner;
    inner = nullptr;
    for (const auto& member : json->members()) {
      if (!reaches(member.key_offset, member.value)) continue;
      out += "/" + pointer_token(member.key);
      inner = &member.value;
      break;
    }
    for (std::size_t i = 0; i < json->items().size() && inner == nullptr; ++i) {
      const auto& item = json->items()[i];
      if (!reaches(item.span().offset, item)) continue;
      out += "/" + std::to_string(i);
      inner = &item;
    }
  }
  return out;
}

}  // namespace switchyard
