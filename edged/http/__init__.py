"""HTTP/1.1 on trio: one server, one client, a table of routes, health."""
