"""DECIDES. Values and functions of values: no await, no clock, no dice, no logging.

A newcomer starts with `verdict.py`; the rest is what it needs and what follows from it.
"""
