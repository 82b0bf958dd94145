"""What judges a client: expectations about the calls it made."""
