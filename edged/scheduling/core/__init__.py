"""Pure: framework, queue, cache, snapshot, cycle, classes, preemption, volumes."""
