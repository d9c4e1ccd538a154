"""What a drill decides: the wound and its undo, how far it has come, and what it proved."""
