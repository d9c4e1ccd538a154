"""What an API server can give away: the questions, what its replies prove, and who let whom in."""
