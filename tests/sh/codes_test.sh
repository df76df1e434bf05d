#!/usr/bin/env bash
# rules/codes.h lists exactly the diagnostic codes that the sources report.
set -euo pipefail
cd "$SWITCHYARD_SOURCE_DIR"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -rhoE '"SWY-[0-9]{4}"' core rules cli --include='*.cpp' | sort -u >"$work/reported"
grep -oE '"SWY-[0-9]{4}"' rules/codes.h | sort -u >"$work/listed"
if ! diff "$work/reported" "$work/listed" >"$work/difference"; then
  echo "codes in the sources (<) and in rules/codes.h (>) differ:"
  grep '^[<>]' "$work/difference"
  exit 1
fi
