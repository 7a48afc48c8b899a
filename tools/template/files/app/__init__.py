"""A REST API that stores notes. Each package has one responsibility; import-linter checks their order."""

VERSION = "0.1.0"
