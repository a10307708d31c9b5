"""Models behind an API: one shared way to call them (`calls`), and an adapter a provider."""
