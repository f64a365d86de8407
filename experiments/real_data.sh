#!/usr/bin/env bash
# The runs behind the table in the README: MiniLM-L6 on one real task, five strategies.
# Usage: experiments/real_data.sh DATA_FOLDER OUTPUT_FOLDER TASK DENSITY SEED [STRATEGY ...]
# A run that is finished is not done again, and one that was interrupted goes on.
set -euo pipefail
data=$1 output=$2 task=$3 density=$4 seed=$5
shift 5
strategies=("$@")
[ ${#strategies[@]} -gt 0 ] || strategies=(LayerGradCAMShift LayerMagWeight LayerSmoothGrad LayerMagGrad Random)
for strategy in "${strategies[@]}"; do
  deepcuts prune --model minilm --task "$task" --data "$data" --strategy "$strategy" --density "$density" \
    --seed "$seed" --epochs 2+3 --learning-rate 5e-5 --retrain-learning-rate 1e-4 --batch-size 32 \
    --decay linear --precision bf16 --score-batches 200 --smooth-batches 20 \
    --shared "$output/shared" --output "$output/$task-$density-$strategy-$seed"
done
