"""PodSecurity: what a namespace's labels pod-security.kubernetes.io/* allow its Pods.

Source: k8s.io/pod-security-admission 0.37. Pure.
"""
