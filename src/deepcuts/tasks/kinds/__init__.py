"""Kinds of task, a file each: what is asked of a model, from reading rows to saying what it predicts.

Found when one is first asked for, see `deepcuts.tasks.kinds.registry`; nothing lists them.
"""
