"""The Kubernetes API server as edged sees it: requests, watches, shared informers, writes, leases."""
