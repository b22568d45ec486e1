"""What the API server refuses objects of built-in kinds for, in its words. Pure."""
