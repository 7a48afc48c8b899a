"""Resumable uploads: tus 1.0.0 and Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload)."""
