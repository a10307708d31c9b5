"""The Python interface: one module for each command of the same name in `cli`."""
