"""How guests of all kinds of policies are spoken to: waPC, WASI, OPA, metadata. Pure."""
