"""The scheduler at work: the loop, binding, evictions, extenders, annotations, metrics."""
