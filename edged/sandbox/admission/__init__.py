"""What stands between a write and the storage: admission webhooks and built-in admission."""
