#!/usr/bin/env bash
# The runs behind the table in the README: MiniLM-L6 on one real task, five strategies.
# Usage: experiments/real_data.sh DATA_FOLDER OUTPUT_FOLDER TASK DENSITY SEED EPOCHS RATE [STRATEGY ...]
# A run that is finished is not done again, and one that was interrupted goes on.
set -euo pipefail
data=$1 output=$2 task=$3 density=$4 seed=$5 epochs=$6 rate=$7
shift 7
strategies=("$@")
[ ${#strategies[@]} -gt 0 ] || strategies=(LayerGradCAMShift LayerMagWeight LayerSmoothGrad LayerMagGrad Random)
for strategy in "${strategies[@]}"; do
  deepcuts prune --model minilm --task "$task" --data "$data" --strategy "$strategy" --density "$density" \
    --seed "$seed" --epochs "$epochs" --learning-rate "$rate" --retrain-learning-rate 1e-4 --batch-size 32 \
    --decay linear --group-by-length --precision bf16 --score-batches 200 --smooth-batches 20 \
    --shared "$output/shared" --output "$output/$task-$density-$strategy-$seed"
done
