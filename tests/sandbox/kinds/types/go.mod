module edged.invalid/types

go 1.24
