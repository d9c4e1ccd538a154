"""Evidence for auditors: the journal's chain, and what can be said from its lines."""
