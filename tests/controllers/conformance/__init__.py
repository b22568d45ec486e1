"""A script that a controller in every language passes, and the guests that play it."""
