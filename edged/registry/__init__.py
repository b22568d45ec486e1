"""Modules and images from OCI registries and web servers: names, credentials, pulling and pushing, the local store."""
