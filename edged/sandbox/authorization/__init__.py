"""Who asks, and what they may do: tokens, impersonation, RBAC. Only with `edged sandbox --rbac`.

`users.py` finds out who asks, `rules.py` what roles allow (both pure), `escalation.py` keeps users from granting what
they do not have, `reviews.py` answers questions about rights, `front.py` stands before the API. `bootstrap.json` has
the roles and bindings that every cluster begins with.
"""
