module {name}

go 1.24

require edged.dev/sdk/go v0.0.0

replace edged.dev/sdk/go => ./sdk
