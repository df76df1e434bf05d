#include <fmt/format.h>

#include "rules/codes.h"
#include "rules/policy.h"
#include "rules/spec_reader.h"

namespace switchyard {

namespace {

/// True if a policy may name the code; reports it otherwise.
bool check_code(SpecDraft& draft, const Node& node, const std::string& code) {
  const auto meaning = meaning_of(code);
  if (meaning.empty()) {
    auto& finding = draft.read.error("SWY-1150", fmt::format("`policy` names `{}`, which is no code", shown(code)),
                                     node.key_place());
    finding.label = "no such code";
    finding.help = did_you_mean(code, policy_codes());
    finding.help += fmt::format("{}(legal: {})", finding.help.empty() ? "" : "   ", listed(policy_codes()));
    return false;
  }
  for (const auto& legal : policy_codes()) {
    if (legal == code) return true;
  }
  auto& finding =
      draft.read.error("SWY-1151", fmt::format("{} is an error ({}) and stays one", code, meaning), node.key_place());
  finding.label = "not a warning or a note";
  finding.help = fmt::format("remove it   (legal: {})", listed(policy_codes()));
  return false;
}

}  // namespace

void read_policy(SpecDraft& draft, const Node& policy) {
  if (!policy.json().is(Json::Kind::object)) {
    draft.read.wrong_type(policy, "`policy`", "an object");
    return;
  }
  for (const auto& member : policy.json().members()) {
    const Node node(policy, member);
    const bool known = check_code(draft, node, member.key);
    const auto word = draft.read.choice(node, fmt::format("the severity of {}", shown(member.key)), policy_words());
    if (!known || !word) continue;
    std::optional<Severity> severity;
    if (*word == "note") severity = Severity::note;
    if (*word == "warn") severity = Severity::warning;
    if (*word == "error") severity = Severity::error;
    draft.spec.policy.emplace(member.key, severity);
  }
}

}  // namespace switchyard
