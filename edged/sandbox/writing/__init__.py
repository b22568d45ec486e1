"""Creates, updates, patches, server-side apply, deletes, subresources, and what follows from them. Pure."""
