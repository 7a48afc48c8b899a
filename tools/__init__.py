"""The project's own chores, called by the Makefile."""
