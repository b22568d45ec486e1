"""Log lines, metrics, the count of unexpected errors, OTLP."""
