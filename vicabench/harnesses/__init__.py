"""How do other harnesses ask, grade and write results? One file per harness, plus the readers."""
