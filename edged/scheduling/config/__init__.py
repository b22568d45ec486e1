"""Pure: KubeSchedulerConfiguration and the profiles made of it."""
