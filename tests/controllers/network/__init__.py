"""The virtual network as a whole: who watches it, who judges it, who loads it. The same for every API server."""
