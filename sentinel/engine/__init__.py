"""DRIVES. Time and tasks; knows the contracts of `kinds`, never a kind by name."""
