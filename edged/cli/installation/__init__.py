"""`edged init` and `edged uninstall`: what belongs to an installation on a node, looked at and changed step by step.

`steps.py` says what a step is and carries a list of them out; `plan.py` makes the list of `init`, `install.py` does the
rest; `removal.py` is `uninstall`. The steps themselves are in `local_steps.py` (users, files, systemd), in
`cluster_steps.py` (objects) and in `removal_steps.py`.
`layout.py` holds the places of files, `program.py` where this very program is, `machine.py` the few calls that change
users and units, `unit_file.py` and `default_config.py` the texts of files (pure).
"""
