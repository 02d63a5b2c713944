"""What crosses a boundary: the models of everything that travels between operators, stores and people."""
