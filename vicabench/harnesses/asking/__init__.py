"""How harnesses ask: one file for each, with its versions as presets."""
