// The ring's controller as a module in Go.
module edged/tests/bench/controllers/guests

go 1.24

require edged.dev/sdk/go v0.0.0

replace edged.dev/sdk/go => ../../../../../sdk/go
