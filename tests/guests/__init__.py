"""Guests that only tests need: policies built with other people's toolkits."""
