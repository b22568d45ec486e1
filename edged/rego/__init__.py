"""OPA's builtins that `opa build -t wasm` leaves to its host. Pure but for the libraries that some of them need."""
