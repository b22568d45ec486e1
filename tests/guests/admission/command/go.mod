module command

go 1.22
