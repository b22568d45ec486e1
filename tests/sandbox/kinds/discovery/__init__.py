"""What the API server of Kubernetes offers, as data."""
