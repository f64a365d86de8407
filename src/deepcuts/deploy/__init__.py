"""Using what was pruned: export, the sparse runtime, prediction, and the bench of all ways to run it."""
