#include "rules/variables.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json_edit.h"
#include "rules/reader.h"

namespace switchyard {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_plain(const Json& value) {
  return value.is_number() || value.is(Json::Kind::boolean) || value.is(Json::Kind::string);
}

void read_variables(const Node& vars, Reader& read, Variables& out) {
  if (!vars.json().is(Json::Kind::object)) {
    read.wrong_type(vars, "`vars`", "an object");
    return;
  }
  for (const auto& member : vars.json().members()) {
    const Node node(vars, member);
    const auto& items = member.value.items();
    const bool list =
        member.value.is(Json::Kind::array) && !items.empty() && std::all_of(items.begin(), items.end(), is_plain);
    const auto refers = [](const Json& value) {
      return value.is(Json::Kind::string) && !variable_name(value.as_string()).empty();
    };
    const bool nested = refers(member.value) || (list && std::any_of(items.begin(), items.end(), refers));
    const bool broken = nested || (!is_plain(member.value) && !list);
    if (!is_name(member.key)) {
      auto& finding =
          read.error("SWY-1155", fmt::format("`{}` is no name for a variable", shown(member.key)), node.key_place());
      finding.label = "expected letters, digits and `_`, at most 64";
      if (member.key.substr(0, 1) == "$" && is_name(std::string_view(member.key).substr(1)))
        finding.help = fmt::format("write \"{}\"; `$` stands only where it is used", member.key.substr(1));
    } else if (nested) {
      auto& finding = read.error(
          "SWY-1155", fmt::format("the variable `{}` refers to another one: {}", member.key, shown(member.value)),
          node.place());
      finding.label = "expected a value";
      finding.help = "variables do not refer to each other; write the value here too";
    } else if (broken) {
      read.error("SWY-1155",
                 fmt::format("the variable `{}` must be a number, a text, true, false or a list of these", member.key),
                 node.place());
    }
    out.by_name.emplace(member.key, Variables::Variable{member.value, node.place(), broken});
  }
}

class Substitution {
 public:
  Substitution(Reader& read, Variables& variables) : read_(read), variables_(variables) {}

  Json of(const Node& node) {
    const auto& json = node.json();
    if (json.is(Json::Kind::string)) return of_text(node);
    if (json.is(Json::Kind::array)) {
      std::vector<Json> items;
      items.reserve(json.size());
      for (std::size_t i = 0; i < json.size(); ++i) items.push_back(of(Node(node, i)));
      return with_items(json, std::move(items));
    }
    if (!json.is(Json::Kind::object)) return json;
    std::vector<Json::Member> members;
    members.reserve(json.size());
    for (const auto& member : json.members()) {
      members.push_back(member);
      if (member.key != "note") members.back().value = of(Node(node, member));
    }
    return with_members(json, std::move(members));
  }

 private:
  Json of_text(const Node& node) {
    const auto name = variable_name(node.json().as_string());
    if (name.empty()) return node.json();
    const auto span = node.json().span();
    variables_.references[span.file].emplace(span.offset, name);
    if (const auto* variable = variables_.find(name)) {
      variable->used = true;
      if (variable->broken) return node.json();
      return placed(variable->value, node.json());
    }
    std::vector<std::string> names;
    for (const auto& [known, variable] : variables_.by_name) names.push_back(known);
    auto& finding = read_.error("SWY-1153", fmt::format("`${}` is not defined", shown(name)), node.place());
    finding.label = "no such variable";
    const auto near = nearest(name, names);
    finding.help = !near.empty()   ? fmt::format("did you mean `${}`?", near)
                   : names.empty() ? fmt::format("add \"vars\": {{\"{}\": ...}}", shown(name))
                                   : fmt::format("(variables: {})", listed(names));
    return node.json();
  }

  Reader& read_;
  Variables& variables_;
};

/// True if a text that could be a reference occurs anywhere.
bool has_references(const Json& json) {
  if (json.is(Json::Kind::string)) return !variable_name(json.as_string()).empty();
  return std::any_of(json.items().begin(), json.items().end(), has_references) ||
         std::any_of(json.members().begin(), json.members().end(),
                     [](const Json::Member& member) { return has_references(member.value); });
}

}  // namespace

const Variables::Variable* Variables::find(std::string_view name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &found->second;
}

std::string_view Variables::reference_at(const Span& span) const {
  const auto file = references.find(span.file);
  if (file == references.end()) return {};
  const auto found = file->second.find(span.offset);
  return found == file->second.end() ? std::string_view() : std::string_view(found->second);
}

void Variables::warn_unused(const std::string& file, Diagnostics& diagnostics) const {
  for (const auto& [name, variable] : by_name) {
    if (variable.used || variable.place.span.file != file) continue;
    diagnostics.warning("SWY-1154", fmt::format("nothing uses the variable `{}`", name), variable.place).help =
        fmt::format("remove it, or write \"${}\" where its value belongs", name);
  }
}

std::string_view variable_name(std::string_view text) {
  return text.substr(0, 1) == "$" && is_name(text.substr(1)) ? text.substr(1) : std::string_view();
}

Json with_variables(const Json& root, const Documents* documents, Reader& read, Variables& variables) {
  if (!root.is(Json::Kind::object)) return root;
  const Node top(root, documents);
  if (const auto vars = top.child("vars")) read_variables(*vars, read, variables);
  if (!has_references(root)) return root;
  Substitution substitute(read, variables);
  std::vector<Json::Member> members;
  for (const auto& member : root.members()) {
    members.push_back(member);
    const bool plain = member.key == "$schema" || member.key == "switchyard" || member.key == "description" ||
                       member.key == "extends" || member.key == "vars";
    if (!plain) members.back().value = substitute.of(Node(top, member));
  }
  return with_members(root, std::move(members));
}

}  // namespace switchyard
