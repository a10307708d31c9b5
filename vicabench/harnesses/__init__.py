"""How others ask, grade and write: one file a harness, and what reads replies and rows."""
