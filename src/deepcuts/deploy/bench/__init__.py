"""``bench``: a pruned model in every form that a machine runs: timed, weighed and measured side by side.

A way to run a model is one file in `ways`. `run` takes them in turns, `advice` says in a sentence which to
use.
"""
