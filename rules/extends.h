#pragma once

#include <optional>
#include <string>

#include "core/json.h"
#include "core/registry.h"
#include "rules/documents.h"
#include "rules/reader.h"
#include "rules/spec.h"

namespace switchyard {

/// The document with everything that it extends merged into it, and without `extends`.
///
/// "preset:NAME" is a preset of this build, "plugin:NAME/defaults" what a plugin of the registry suggests
/// (OptimizerDescriptor::defaults); anything else is a path, relative to the file that names it. Of several, a
/// later one goes over an earlier one, and the document over all. Over means: objects merge by key; an optimizer with
/// another `plugin` or `like` and a schedule with `kind` replace the one below; `lr` and `lr_scale` replace each other;
/// rules and overrides go before those below, one with a known id takes its place instead, and with "disabled": true
/// removes it; everything else replaces what is below. Values keep their places, in whatever file they stand.
///
/// Reports what cannot be found (SWY-1160, SWY-1017), plugins that suggest nothing (SWY-1162), circles and chains of
/// more than 16 (SWY-1161). `texts` gets the texts that were read and `documents` the documents, by file; presets and
/// plugins under the reference that names them.
Json with_bases(const Json& root, const std::string& file, const Registry& registry, const SpecFiles& files,
                Reader& read, Sources& texts, Documents& documents);

/// True for what stands in a preset or in the defaults of a plugin, where optional rules are there to match or not.
bool is_shipped(const Place& place);

/// `over` merged over `under`, two whole specs.
Json merged(const Json& over, const Json& under);

}  // namespace switchyard
