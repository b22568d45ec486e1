"""How the API server finds edged: routes of reviews, registration, static files."""
