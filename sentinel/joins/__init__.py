"""JOINS: settings turned into what runs, one file per part; `daemon.py` and `witness.py` open them."""
