"""``bench``: a pruned model in every form that a machine runs: timed, weighed and measured side by side."""
