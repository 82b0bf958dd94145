"""From a request to a reply: routes, decoding, rendering, the service's own words.

This ring turns HTTP messages into calls of the core and records into wire JSON. It performs nothing: a broken
connection is a value in the reply, which a door carries out. It uses the standard library and msgspec.
"""
