"""What a gateway in front of models can do to its users: what an answer was worth, who gave it, how long none came."""
