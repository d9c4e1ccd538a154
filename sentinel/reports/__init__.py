"""WRITES. Values in, text out: a table for people and JSON for programs, both from the same value."""
