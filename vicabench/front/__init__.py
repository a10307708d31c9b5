"""The front door: what `import vicabench` offers, a file a command of the same name in `cli`."""
