"""The judges of a client."""
