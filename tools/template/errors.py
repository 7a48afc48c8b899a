"""The error of a template that no longer fits the code."""


class TemplateError(Exception):
    """A rule that does not match the code, or a file that the skeleton must not contain. The message is one line."""
