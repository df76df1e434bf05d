#!/usr/bin/env bash
# The program of a plugin's author: a good plugin passes, a faulty one fails by the law's name with what is needed to
# repeat it, waivers are printed, and wrong ones fail.
set -euo pipefail
program=$SWITCHYARD_BUILD_DIR/bin/plugin_laws
says() { grep -qF -- "$1" <<<"$out" || { echo "not said: $1"; echo "$out"; exit 1; }; }

out=$("$program")
says "ok      sign_momentum: gradients_are_never_written (gradients are the caller's)"
says "seed 1 (repeat with SWITCHYARD_TEST_SEED)"
says "30 passed, 0 failed"

if out=$("$program" faulty); then echo "a faulty plugin passes"; exit 1; fi
says "FAILED  sign_momentum: zero_gradient_moves_nothing"
says "gradient of step s: gaussian(seed, name, s)"
says "seed 1 + "
says "steps at lr"
says "ok      sign_momentum: ranks_change_no_bit"

out=$("$program" waived)
says "29 passed, 0 failed"
says "waived  sign_momentum: zero_gradient_moves_nothing"
says "    the drift is on purpose"

if out=$("$program" waivers); then echo "wrong waivers pass"; exit 1; fi
says "it is waived and holds: take the waiver away"
says "\`los_falls\` is no law; did you mean \`loss_falls\`?"
says "\`sign_momentun\` is no plugin that is checked; did you mean \`sign_momentum\`?"
says "it has no reason"
