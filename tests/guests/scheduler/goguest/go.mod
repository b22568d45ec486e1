module edged.dev/tests/scheduler-guest

go 1.24
