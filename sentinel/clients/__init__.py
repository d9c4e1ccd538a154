"""SPEAKS. The outside world; the only place where foreign errors are known by name."""
