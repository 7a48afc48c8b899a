"""The service: an asynchronous REST API that stores images and finds them by their tags."""

VERSION = "1.0.0"
