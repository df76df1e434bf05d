#include <fmt/format.h>

#include "rules/spec_reader.h"

namespace switchyard {

void read_canonical(SpecDraft& draft, const Node& canonical) {
  auto& read = draft.read;
  if (!read.object(canonical, spots::canonical())) return;
  const auto strip = read.require(canonical, "strip", "`canonical`");
  if (!strip || !read.array(*strip, "`strip`", 1)) return;
  draft.spec.strip_place = strip->place();
  for (std::size_t i = 0; i < strip->json().size(); ++i) {
    const Node item(*strip, i);
    auto segment = read.text(item, "a segment");
    if (!segment) continue;
    if (segment->empty() || segment->find_first_of(".*?[]{}") != std::string::npos) {
      auto& finding =
          read.error("SWY-1013", fmt::format("`{}` is not one segment of a name", shown(*segment)), item.place());
      finding.label = "expected plain text without dots";
      finding.help = "write it as in \"_orig_mod\"";
      continue;
    }
    draft.spec.strip.push_back(std::move(*segment));
  }
}

}  // namespace switchyard
