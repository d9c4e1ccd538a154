"""What each command of `sentinel` parses, calls and prints. One file per command; `common.py` is what they share."""
