"""The demo: a task that needs no data from anywhere, and the run that prunes a real model on it.

`minimal_pairs` is a grammar of English that generates pairs of a well formed and an ill formed sentence;
`task` registers what it generates as the task ``minimal-pairs``, which every command then knows, as a plugin
would; `run` is ``deepcuts demo``. Importing this loads nothing.
"""
