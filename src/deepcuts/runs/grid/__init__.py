"""Grids: every combination of models, tasks, strategies, budgets and seeds, each stage done once."""
