"""What the functions do: those of CEL itself, of cel-go's extensions, and of Kubernetes."""
