"""The watch over secrets, and its tests."""
