#!/usr/bin/env bash
# Which folder may include which (design: folders). Targets cannot enforce it: all headers share one include root.
# usage: cmake/check_includes.sh [ROOT]; exit 1 and one line per wrong include.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

wrong=0

# check FOLDER DEPTH PATTERN REASON: no include in FOLDER's sources (DEPTH 1: not its sub-folders) may match PATTERN.
check() {
  local folder=$1 depth=$2 pattern=$3 reason=$4 line
  [[ -d $folder ]] || return 0
  while IFS= read -r line; do
    printf '%s   <- %s\n' "$line" "$reason"
    wrong=1
  done < <(find "$folder" -maxdepth "$depth" -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
           sort -z | xargs -0 -r grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" || true)
}

tensors='ATen|torch|c10|caffe2'
ours='core|rules|kernels|optimizers|cli|bench|examples|tests'

check core         1 "($tensors)/"                                   "core is built without LibTorch"
check core         1 "(core/(plugin|run)|rules|kernels|optimizers|cli)/" "core holds the nouns and knows nobody above it"
check core/plugin  9 "(core/run|rules|optimizers|cli)/"              "the plugin interface knows core and the kernels"
check core/run     9 "(rules|optimizers|cli)/"                       "the engine runs a plan and knows neither its source nor the plugins"
check rules        9 "($tensors)/"                                   "rules are built without LibTorch"
check rules        9 "(core/(plugin|run)|kernels|optimizers|cli)/"   "rules plan and do not run"
check optimizers   9 "(core/run|rules|cli)/"                         "a plugin knows its interface and the kernels"
check optimizers   9 "optimizers/"                                   "plugins do not know each other"
check kernels      9 "(${ours/kernels|/})/"                          "kernels are pure tensor functions"
exit $wrong
