#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/code_pages.h"
#include "cli/verbs.h"
#include "rules/codes.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// "SWY-1101" of "1101", "swy1101" and "SWY-1101".
std::string spelled(const std::string& given) {
  std::string digits;
  for (const auto c : given) {
    if (c >= '0' && c <= '9') digits += c;
  }
  return digits.size() == 4 ? "SWY-" + digits : given;
}

/// A page for a terminal: without the marks of Markdown, blocks of code indented.
std::string plain(std::string_view page) {
  std::string out;
  bool code = false;
  for (std::size_t begin = 0; begin < page.size();) {
    const auto end = std::min(page.find('\n', begin), page.size());
    const auto line = page.substr(begin, end - begin);
    begin = end + 1;
    if (line.substr(0, 3) == "```") {
      code = !code;
    } else if (line.substr(0, 3) != "## ") {
      out += (code && !line.empty() ? "    " : "") + std::string(line) + "\n";
    }
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out + "\n";
}

}  // namespace

Report explain_code(const std::string& given, Format format) {
  const auto code = spelled(given);
  const auto* info = std::find_if(std::begin(diagnostic_codes), std::end(diagnostic_codes),
                                  [&](const CodeInfo& one) { return one.code == code; });
  if (info == std::end(diagnostic_codes)) {
    std::vector<std::string> codes;
    for (const auto& one : diagnostic_codes) codes.emplace_back(one.code);
    const auto near = nearest(code, codes);
    throw UsageError(fmt::format("there is no code `{}`{}; docs/diagnostics.md lists all of them", printable(given),
                                 near.empty() ? "" : fmt::format("; did you mean `{}` ({})?", near, meaning_of(near))));
  }
  std::string_view page;
  for (const auto& [name, text] : code_pages()) {
    if (name == info->code) page = text;
  }
  Report report;
  if (format == Format::json) {
    auto json = Json::object();
    json.set("switchyard_code", Json::integer(1));
    json.set("code", std::string(info->code));
    json.set("severity", std::string(to_string(info->usual)));
    json.set("meaning", std::string(info->meaning));
    json.set("page", std::string(page));
    report.out = document(json);
  } else {
    report.out = fmt::format("{}[{}]: {}\n", to_string(info->usual), info->code, info->meaning);
    if (!page.empty()) report.out += plain(page);
  }
  return report;
}

}  // namespace switchyard::cli
