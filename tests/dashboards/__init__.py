"""The dashboards of alerts/dashboards: how they are written, and whether each panel shows what it says."""
