module edged.dev/sdk/go

go 1.24
