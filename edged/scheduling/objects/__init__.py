"""Pure: what is known of Pods, Nodes and the objects that plugins decide by."""
