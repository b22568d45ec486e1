"""Values of the Kubernetes API: quantities, selectors, names, CEL, checks of their shape."""
