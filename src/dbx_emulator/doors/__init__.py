"""Doors: the ways in. Each knows one library or protocol, carries requests to a workspace and performs replies."""
