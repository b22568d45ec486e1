"""What decides for controllers: the guest ABI's texts, watches, views, mappings, the work queue. Pure: time comes in as
`now` (monotonic seconds)."""
