module edged.invalid/internal

go 1.24
