#pragma once

#include "rules/spec.h"

namespace switchyard {

/// Reads what a spec extends from the disk: regular files of at most the size of a JSON document; anything else is "no
/// such file". Relative paths are relative to the working folder once they are joined with the path of the file that
/// names them, so parse_spec must be given the spec's path as its file. The texts go to `sources`, which must live as
/// long as the result.
SpecFiles spec_files(Sources& sources);

}  // namespace switchyard
