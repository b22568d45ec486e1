"""Pure: scheduling a cluster's picture without a cluster."""
