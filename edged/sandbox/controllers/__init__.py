"""What kube-controller-manager does by itself and clients wait for, as far as the sandbox does it. Pure."""
