"""How the four wire formats of completions are written and read, one file each.

What they have in common is `core.piece`; which there are is told by `core.dialect`. A further
format is one more file with the same four functions: `path`, `headers`, `body` and `read`.
"""
