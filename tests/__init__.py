"""Promises, each kept against real parts: see tests/parts and tests/support."""
