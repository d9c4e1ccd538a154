"""Figures, printed as a table and never asserted: the machine is shared and noisy."""
