#!/usr/bin/env bash
# The example program: 20 steps in one process give the same bits as 10 and then 10 in another, and what cannot go on says so.
set -euo pipefail
train=$SWITCHYARD_BUILD_DIR/bin/train_gpt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for ((i = 0; i < 600; ++i)); do echo "line $i says $((i * i % 97)) and $((i * 31 % 89))"; done >text
tiny=(--data text --layers 2 --width 16 --heads 2 --context 16 --batch 4 --sample 0 --quiet --format json)

must_fail() {   # must_fail STATUS WORDS COMMAND...
  local wanted=$1 words=$2 status=0
  shift 2
  "$@" >output 2>&1 || status=$?
  if [[ $status != "$wanted" ]] || ! grep -qF -- "$words" output; then
    echo "expected status $wanted and '$words', got status $status and:"
    cat output
    exit 1
  fi
}

for spec in gpt_muon_adamw gpt_adamw; do
  spec_file=$SWITCHYARD_SOURCE_DIR/examples/specs/$spec.json
  "$train" "${tiny[@]}" --spec "$spec_file" --steps 20 --out straight >straight.json
  "$train" "${tiny[@]}" --spec "$spec_file" --steps 10 --out broken >/dev/null
  if cmp -s straight/model.safetensors broken/model.safetensors; then
    echo "$spec: ten more steps changed nothing: the comparison would prove nothing"
    exit 1
  fi
  # Measured after the checkpoint and then lost in a crash: the resumed run measures it again.
  printf '{"step":11,"group":"train","loss":1}\n{"step":12,"gro' >>broken/metrics.jsonl
  # Only the folder: the model, the text, the seed and the spec come from the run.
  "$train" --sample 0 --quiet --format json --resume broken --steps 20 >resumed.json
  cmp straight/model.safetensors broken/model.safetensors
  grep -q '"resumed_at":10' resumed.json
  cmp <(grep -v '"validation"' straight/metrics.jsonl) <(grep -v '"validation"' broken/metrics.jsonl)
  [[ $(ls broken/checkpoint) == "index.json"*"model-20.safetensors"*"state-20-"* ]]

  must_fail 2 '--layers 3, but the run has 2' "$train" --quiet --resume broken --layers 3
  must_fail 1 'already holds a run' "$train" "${tiny[@]}" --spec "$spec_file" --steps 20 --out straight
  mv broken/checkpoint/model-20.safetensors broken/checkpoint/model-19.safetensors
  must_fail 1 'model-20.safetensors' "$train" --quiet --resume broken --steps 30
  echo "another text" >>text
  must_fail 1 'is not the text' "$train" --quiet --resume straight --steps 30
  rm -r straight broken
done

must_fail 2 '--steps' "$train" --steps many
must_fail 2 'does not exist: missing' "$train" --data missing
