"""A pruned model as files: written in any format, read back from any that holds a model.

A format is one file in `formats`. `exporting` writes, `source` reads; the other files are what formats share.
"""
