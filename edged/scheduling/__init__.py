"""The scheduler's pure core: queue, cache, cycle, plugins. No trio, no I/O; time comes in as `now`."""
