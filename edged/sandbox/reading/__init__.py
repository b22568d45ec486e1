"""Gets, lists, watches, selectors, and the tables that kubectl prints."""
