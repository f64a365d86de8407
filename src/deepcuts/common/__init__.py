"""What every other room stands on: errors, files, digests, seeds, progress, processes, environment, store.

Files are never half-written, digests say what a tensor held, the store keeps finished stages by what they
depend on, and the environment is what a number was made in. Nothing here knows of pruning.
"""
