"""edged: Kubernetes admission and scheduling by WebAssembly modules, in one trio process."""

__version__ = "0.1.0"
