"""Controller modules on an API server that is a dictionary. Time, faults and the order of events are up to tests."""
