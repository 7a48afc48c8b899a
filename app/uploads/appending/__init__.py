"""Appends to a resumable upload: the requests that append, and the receipt of their bytes."""
