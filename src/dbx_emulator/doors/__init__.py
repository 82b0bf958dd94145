"""Doors: the ways in. Each knows one library or protocol, carries requests to the engine and performs replies."""
