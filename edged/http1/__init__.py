"""HTTP/1.1 on trio: messages and parser (pure), transport, connection, listener."""
