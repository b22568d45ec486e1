"""Controllers as modules, beside the same controllers in Go. Sections of tests/bench whose names begin with `ctl_`."""
