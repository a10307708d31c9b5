"""From videos still owed to answers written down."""
