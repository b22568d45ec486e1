"""The guest host: WebAssembly guests as trio tasks (ARCHITECTURE.md, "A guest call")."""
