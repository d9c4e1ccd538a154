"""SHOWS. Health, metrics, and the console on loopback."""
