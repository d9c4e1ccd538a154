"""ASKS. One file per thing we can ask; the folder listing is the feature list."""
