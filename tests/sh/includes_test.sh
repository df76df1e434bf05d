#!/usr/bin/env bash
# The include directions hold in the sources, and the check that says so would notice if they did not.
set -euo pipefail
check=$SWITCHYARD_SOURCE_DIR/cmake/check_includes.sh
bash "$check" "$SWITCHYARD_SOURCE_DIR"

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
must_fail() {   # must_fail FILE INCLUDE
  mkdir -p "$planted/$(dirname "$1")"
  printf '#include %s\n' "$2" >"$planted/$1"
  if bash "$check" "$planted" >/dev/null; then
    echo "not noticed: $1 includes $2"
    exit 1
  fi
  rm "$planted/$1"
}
must_fail core/plan.h '<ATen/ATen.h>'
must_fail core/plan.h '"core/run/executor.h"'
must_fail core/plan.cpp '"core/plugin/optimizer.h"'
must_fail core/plugin/optimizer.h '"core/run/executor.h"'
must_fail core/run/executor.cpp '"rules/planner.h"'
must_fail core/run/executor.cpp '"optimizers/muon.h"'
must_fail rules/match.cpp '<c10/core/ScalarType.h>'
must_fail rules/match.cpp '"core/run/executor.h"'
must_fail rules/match.cpp '"kernels/polar.h"'
must_fail optimizers/muon.cpp '"core/run/executor.h"'
must_fail optimizers/muon.cpp '"rules/spec.h"'
must_fail kernels/polar.cpp '"core/describe.h"'
must_fail kernels/squares.cu '"core/describe.h"'

# The other way round: what is allowed is not reported.
mkdir -p "$planted/core/run" "$planted/optimizers" "$planted/kernels"
printf '#include "core/plan.h"\n#include "core/plugin/optimizer.h"\n#include "kernels/view.h"\n#include <ATen/ATen.h>\n' |
  tee "$planted/core/run/executor.cpp" >"$planted/optimizers/muon.cpp"
printf '#include "kernels/view.h"\n' >"$planted/kernels/polar.cpp"
bash "$check" "$planted"
