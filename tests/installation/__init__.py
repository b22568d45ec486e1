"""The pages on installing edged, followed to the letter in clean Debian roots (test_pages.py is where to begin)."""
