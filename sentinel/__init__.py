"""tenant-sentinel: proves, day and night and from inside, that no tenant reads another's things."""

__version__ = "0.1.0"
