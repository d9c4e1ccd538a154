"""TELLS. One file per place that a record goes to; none of them decides anything."""
