"""`edged init`: what belongs to an installation on a node, looked at and changed step by step.

`steps.py` says what a step is and carries a list of them out; `plan.py` makes the list, `install.py` does the rest. The
steps themselves are in `local_steps.py` (users, files, systemd) and `cluster_steps.py` (objects).
`layout.py` holds the places of files, `program.py` where this very program is, `machine.py` the few calls that change
users and units, `unit_file.py` and `default_config.py` the texts of files (pure).
"""
