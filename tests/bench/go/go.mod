// What the measurements compare with and is written for them. The standard library alone.
module edged/tests/bench

go 1.24
