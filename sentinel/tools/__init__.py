"""What a person runs beside the daemon, one file per deed; `commands/` parse for them and print."""
