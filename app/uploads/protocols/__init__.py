"""The two upload protocols: what they read from requests, and how they respond."""
