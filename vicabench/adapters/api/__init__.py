"""Models behind an API: `calls` is the shared way to call them; one adapter per provider."""
