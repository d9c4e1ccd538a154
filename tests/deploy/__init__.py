"""Installing: what the chart renders, what a real API server says to it, and the image's steps without an engine."""
