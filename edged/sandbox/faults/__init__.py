"""Faults on purpose: what a client has to live with, by rule and seed, for tests of controllers.

`rules.py` says what a rule is and whom it hits (pure), `injection.py` stands between the server and the API.
"""
