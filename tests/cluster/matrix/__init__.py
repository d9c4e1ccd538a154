"""The mutation matrix: what can be given away x how it can be given x what only looks like it.

    classes.py       what may be given away: each question class, and the words of its breach
    ways.py          how: bindings, subjects, shapes of a rule
    grants.py        the rows: classes x ways, by a rule that can be read
    disturbances.py  what breaks, and opens nothing
    stage.py         applies a row to a real API server, runs rounds, and says what came of it

Expectations are written down here, and not taken from the product: its own table is only used to
find what has no row.
"""
