"""The everyday controllers of modules/controllers in a daemon: the same on the sandbox and on the real API server."""
