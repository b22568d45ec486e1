"""What faces the API server and the probes: TLS material, routes, health, metrics."""
