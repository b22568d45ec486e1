"""Pure: list-and-watch, the store of an informer, back-off, work queue, rules of leases."""
