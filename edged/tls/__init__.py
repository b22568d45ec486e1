"""TLS contexts, certificates, their rotation."""
