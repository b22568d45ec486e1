"""The command line. main.py is its frame: the list of commands, and how their errors are shown.

A command is a file or folder edged/cli/NAME with `declare(parser)`, which describes it and adds its arguments, and
`run(args) -> int`, which returns its exit code. Importing it must be cheap: what it needs (trio, wasmtime, YAML) is
imported when it runs. Exit codes: 0 ok, 1 a check or an operation failed, 2 usage or configuration, 130 interrupted,
141 nobody reads the output any more.
"""
