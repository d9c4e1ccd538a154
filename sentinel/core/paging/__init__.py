"""From the evidence to the phone: what Prometheus and Alertmanager do with our alerts, and how long that takes."""
