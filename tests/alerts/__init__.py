"""Paging: which second each rule fires at, on two versions of Prometheus, and what Alertmanager makes of it."""
