"""SHOWS. Metrics and health for the cluster; the status page and its JSON for whoever is in the pod."""
