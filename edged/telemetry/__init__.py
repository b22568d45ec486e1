"""Log lines, metrics, health, OTLP."""
