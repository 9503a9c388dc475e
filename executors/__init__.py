"""Executors: what hands planned work to a cluster. None is here yet: the program plans and people or schedulers run."""
