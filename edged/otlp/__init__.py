"""Traces over OTLP/HTTP. Imported only where an endpoint is set: nobody else pays for it."""
