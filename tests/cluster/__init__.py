"""The whole thing on real servers: chart, API server, sentinels, Prometheus, Alertmanager, webhook."""
