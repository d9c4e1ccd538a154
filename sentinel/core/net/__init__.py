"""What the network can let through: crossings, who answered, what must be live before silence is a denial."""
