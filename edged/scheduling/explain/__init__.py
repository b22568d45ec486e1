"""Pure: what is remembered of attempts, and the sentences and annotations made of it."""
