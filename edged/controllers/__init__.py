"""Controllers: what modules reconcile, what wakes them, and what they may do."""
