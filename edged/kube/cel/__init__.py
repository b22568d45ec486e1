"""CEL as kube-apiserver compiles and evaluates it: syntax, types, functions of Kubernetes, costs. Pure, and no library.

    parsing.py      text -> tree.py, with cel-go's texts of syntax errors; macros.py writes macros out
    checking.py     the type of each part; declarations.json has the functions and their types
    planning.py     tree -> functions that evaluate it and count what it costs
    library/        what the functions do
    programs.py     compile and evaluate, for callers
"""
