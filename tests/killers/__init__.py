"""Small clients that are wrong on purpose, and their twins that are not: what this kit is to catch."""
