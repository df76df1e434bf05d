#pragma once

#include <string_view>

#include "core/diagnostics.h"

namespace switchyard {

struct CodeInfo {
  const char* code;
  const char* meaning;
  Severity usual = Severity::error;  ///< a policy may change warnings and notes, not errors
};

/// Every code that this project reports; tests/sh/codes_test.sh compares the list with the sources. Numbers are stable:
/// 00xx the command line, 10xx text and structure, 11xx options, schedules and the rest of the grammar, 20xx routing
/// and views, 21xx the model, 30xx safetensors files, indices of shards and files of torch, 31xx lints and starter
/// specs, 32xx comparisons of plans, 33xx descriptions of plugins.
inline constexpr CodeInfo diagnostic_codes[] = {
    {"SWY-0001", "a command line or a file that cannot be used"},
    {"SWY-0002", "a parameter that the model does not have"},
    {"SWY-0070", "an error of this program"},
    {"SWY-1001", "the text is not valid JSON"},
    {"SWY-1003", "a key occurs twice in one object"},
    {"SWY-1004", "U+0000 in a text, a string or a key"},
    {"SWY-1005", "the document is too large or too deeply nested"},
    {"SWY-1010", "a value has the wrong JSON type"},
    {"SWY-1011", "an unknown key"},
    {"SWY-1012", "a required key is missing"},
    {"SWY-1013", "a value is out of range or not one of the legal ones"},
    {"SWY-1014", "the version of the format is not one that this build reads"},
    {"SWY-1015", "an id is used twice"},
    {"SWY-1016", "a reference to an optimizer or a schedule that does not exist"},
    {"SWY-1017", "an unknown plugin"},
    {"SWY-1018", "keys that exclude or need each other"},
    {"SWY-1019", "something empty that must say something"},
    {"SWY-1020", "a broken name pattern"},
    {"SWY-1021", "`like` runs in a circle or changes the plugin"},
    {"SWY-1022", "conditions that no tensor can meet"},
    {"SWY-1090", "a kind of sink that this build does not have yet"},
    {"SWY-1091", "`modular_norm`, which this build does not have yet"},
    {"SWY-1092", "`monitors`, which this build does not have yet"},
    {"SWY-1093", "`distributed`, which this build does not have yet"},
    {"SWY-1094", "`checkpoint`, which this build does not have yet"},
    {"SWY-1095", "`requires`, which this build does not have yet"},
    {"SWY-1096", "`tag`, which this build does not have yet"},
    {"SWY-1097", "a factor as an expression, which this build does not have yet"},
    {"SWY-1101", "an unknown option of a plugin"},
    {"SWY-1102", "an illegal value of an option"},
    {"SWY-1103", "options that do not fit together"},
    {"SWY-1104", "an option that cannot be scheduled"},
    {"SWY-1105", "a schedule whose values its target does not accept"},
    {"SWY-1106", "an optimizer without a learning rate"},
    {"SWY-1110", "the numbers of a schedule do not fit together"},
    {"SWY-1150", "`policy` names a code that no finding has"},
    {"SWY-1151", "`policy` changes an error"},
    {"SWY-1152", "a broken `where` expression"},
    {"SWY-1153", "an unknown variable"},
    {"SWY-1154", "a variable that nothing uses", Severity::warning},
    {"SWY-1155", "a variable whose name or value is not legal"},
    {"SWY-1156", "`layer` in a spec without `layers`"},
    {"SWY-1160", "a preset or a file that `extends` cannot find"},
    {"SWY-1161", "`extends` runs in a circle or too far"},
    {"SWY-1162", "`extends` names a plugin that suggests no rules"},
    {"SWY-2001", "a rule or an override matches no parameter"},
    {"SWY-2002", "a rule matches only what earlier rules take", Severity::warning},
    {"SWY-2003", "parameters that no rule takes"},
    {"SWY-2004", "names of one tied tensor would be routed differently", Severity::warning},
    {"SWY-2005", "a rule or an override matches only frozen parameters", Severity::note},
    {"SWY-2006", "an optional rule or override matches no parameter", Severity::note},
    {"SWY-2007", "a dtype that no plugin trains"},
    {"SWY-2008", "an optimizer that nothing uses", Severity::warning},
    {"SWY-2009", "a schedule that nothing uses", Severity::warning},
    {"SWY-2010", "two values for one option of one parameter"},
    {"SWY-2011", "an override sets an option that the parameter's plugin does not have"},
    {"SWY-2012", "an override sets an option to a value that the parameter's plugin refuses"},
    {"SWY-2013", "the options of one parameter do not fit together"},
    {"SWY-2015", "the model has no parameters", Severity::warning},
    {"SWY-2020", "the sizes of a split do not add up"},
    {"SWY-2021", "a plugin for matrices needs roles for the axes"},
    {"SWY-2022", "a plugin for matrices got a tensor with fewer than two axes"},
    {"SWY-2023", "the roles do not cover the axes of a parameter, each once"},
    {"SWY-2024", "a split or heads cut an axis that is neither out nor in"},
    {"SWY-2025", "an axis cannot be cut into equal pieces"},
    {"SWY-2026", "heads do not divide what they cut"},
    {"SWY-2027", "`matrix` on a plugin that works on elements"},
    {"SWY-2030", "`canonical.strip` gives two tensors one name"},
    {"SWY-2031", "the model has more layers than `layers` says"},
    {"SWY-2032", "the model has no layer of a stack"},
    {"SWY-2033", "the model has fewer layers than `layers` says", Severity::warning},
    {"SWY-2034", "weight decay that turns the sign of weights", Severity::warning},
    {"SWY-2035", "rates of Adam's averages under which it may diverge", Severity::warning},
    {"SWY-2036", "an option that another one leaves without effect", Severity::warning},
    {"SWY-2037", "weight decay that rounding takes away", Severity::note},
    {"SWY-2101", "a parameter without a name"},
    {"SWY-2102", "one name for two tensors"},
    {"SWY-2103", "different views of the same elements, or a view that shows an element twice"},
    {"SWY-2104", "an impossible shape"},
    {"SWY-2105", "names of one tensor disagree on requires_grad", Severity::warning},
    {"SWY-2110", "an undefined tensor"},
    {"SWY-2111", "a tensor that cannot be trained"},
    {"SWY-3001", "a safetensors file that cannot be read or is too short"},
    {"SWY-3002", "the length of a safetensors header is impossible"},
    {"SWY-3003", "a safetensors header is not JSON"},
    {"SWY-3004", "a safetensors header has a key twice"},
    {"SWY-3005", "an entry of a safetensors header has the wrong form"},
    {"SWY-3006", "an unknown dtype in a safetensors header"},
    {"SWY-3007", "an impossible shape in a safetensors header"},
    {"SWY-3008", "offsets in a safetensors header do not fit shape, dtype or file"},
    {"SWY-3009", "holes, overlaps or trailing bytes in a safetensors file"},
    {"SWY-3010", "a file that an index of shards names cannot be read as one"},
    {"SWY-3011", "an index of shards and its files disagree"},
    {"SWY-3020", "a file of torch that is not a whole zip archive"},
    {"SWY-3021", "a record of a torch archive that is missing, damaged or not to be read"},
    {"SWY-3022", "the pickle of a torch archive cannot be read"},
    {"SWY-3023", "a torch archive without parameters, or with several sets of them"},
    {"SWY-3024", "a tensor or module of a torch archive that contradicts itself or cannot be read"},
    {"SWY-3100", "an embedding, a table of positions or an output head on a matrix optimizer", Severity::warning},
    {"SWY-3101", "a fused tensor without a split on a matrix optimizer", Severity::warning},
    {"SWY-3102", "a router on a matrix optimizer", Severity::warning},
    {"SWY-3103", "a rule for routers that takes linear maps as well", Severity::warning},
    {"SWY-3104", "a depthwise or grouped convolution on a matrix optimizer", Severity::warning},
    {"SWY-3105", "a stem convolution on a matrix optimizer", Severity::warning},
    {"SWY-3106", "matrices of one row or column", Severity::warning},
    {"SWY-3107", "stacked biases or gains on a matrix optimizer", Severity::warning},
    {"SWY-3108", "a low-rank adapter on a matrix optimizer", Severity::warning},
    {"SWY-3109", "a batch axis where there is no batch, or a batch taken for one matrix", Severity::warning},
    {"SWY-3110", "out and in axes the wrong way round", Severity::warning},
    {"SWY-3111", "blocks that are very far from square", Severity::note},
    {"SWY-3112", "width scaled twice", Severity::warning},
    {"SWY-3113", "8-bit state on an embedding", Severity::warning},
    {"SWY-3114", "a pattern for one layer that matches others whose number begins alike", Severity::warning},
    {"SWY-3116", "a recurrent decay table on a matrix optimizer", Severity::warning},
    {"SWY-3150", "a model without anything to train"},
    {"SWY-3151", "head counts that fit no fused tensor", Severity::warning},
    {"SWY-3200", "something else where a plan is expected"},
    {"SWY-3201", "a plan document that contradicts itself"},
    {"SWY-3202", "a lock or the index of a checkpoint that was edited or is damaged"},
    {"SWY-3203", "the document of a plan that could not be made"},
    {"SWY-3220", "a rule that the spec does not have"},
    {"SWY-3300", "a loaded plugin whose name is taken"},
    {"SWY-3301", "a description of a plugin that contradicts itself"},
};

/// The meaning of a code; empty if there is no such code.
constexpr std::string_view meaning_of(std::string_view code) {
  for (const auto& info : diagnostic_codes) {
    if (code == info.code) return info.meaning;
  }
  return {};
}

}  // namespace switchyard
