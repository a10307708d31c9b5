"""What a user can fix: every such error says what is wrong, where, and what to do."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right; the command line prints it without a traceback."""


class DataError(UserError):
    """A benchmark, a questions file or a predictions file is missing, incomplete or malformed."""


class ConfigError(UserError):
    """An option, a model name or a combination of the two that cannot be run."""


class RunFolderError(UserError):
    """A run folder that is in use, belongs to another configuration, or cannot be written."""
